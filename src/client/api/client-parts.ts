import type { Deadline } from '../../remoting/deadline.ts';
import type { ClusterClient } from '../client.ts';
import type { ClientLog } from '../options.ts';
import { type CallOptions, runCall } from './call.ts';
import type { MessageRules } from './message.ts';

/** What can be closed, and is closed with its client. */
export interface Closable {
  close(): Promise<void>;
}

/** What producers and consumers have of the client that made them. */
export interface ClientParts {
  readonly log: ClientLog;
  readonly timeoutMs: number;
  readonly namespace: string;
  readonly rules: MessageRules;
  readonly fullGroup: (group: string) => string;
  /** A topic without the namespace. */
  readonly shortTopic: (topic: string) => string;
  /** Made by the first call. @throws RocketMQError `CLOSED`. */
  readonly cluster: () => ClusterClient;
  /** To be told of the end of each. */
  readonly onClosed: (closed: Closable) => void;
}

/** A call on the cluster, under its deadline. @throws RocketMQError. */
export function runOnCluster<T>(
  { timeoutMs, cluster }: Pick<ClientParts, 'timeoutMs' | 'cluster'>,
  call: CallOptions,
  work: (cluster: ClusterClient, deadline: Deadline) => Promise<T>,
): Promise<T> {
  return runCall(call, timeoutMs, async (deadline) => work(cluster(), deadline));
}
