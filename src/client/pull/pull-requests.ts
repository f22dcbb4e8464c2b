import type { Channel } from '../../remoting/channel.ts';
import { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { PullFlag, pullMessage } from '../../remoting/requests/pull-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { readStoredMessages, type StoredMessage } from '../../remoting/stored-message.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ClientError } from '../errors.ts';
import { pullMessagesMax } from './pull-options.ts';

/**
 * What a broker may take beyond the time that it was asked to wait, in ms: brokers look only every 5 s for requests that have waited
 * long enough (Java `PullRequestHoldService`).
 */
const answerTimeoutMs = 10_000;

/** What a pull asks for. */
export interface Pull {
  readonly group: string;
  readonly queue: MessageQueue;
  readonly offset: bigint;
  /** How long the broker may hold it while there is nothing, in ms; 0: not at all. */
  readonly suspendDurationMs: number;
  readonly expression: string;
  readonly expressionType: 'TAG' | 'SQL92';
  /** When the subscription was made, in ms since 1970. */
  readonly subscriptionVersion: number;
}

/**
 * What a broker answered:
 * - `found`: messages, some of which may not be wanted.
 * - `nothing`: none that are wanted up to `nextOffset`.
 * - `moved`: the queue has no such offset, or an operator moved the group: go on at `nextOffset`.
 */
export interface Pulled {
  readonly outcome: 'found' | 'nothing' | 'moved';
  readonly nextOffset: bigint;
  /** Where the queue ends. */
  readonly maxOffset: bigint;
  readonly messages: readonly StoredMessage[];
}

/**
 * Reads a queue from an offset on. Giving up early does no harm.
 * @param onDamaged called for a stored message that cannot be read; it is left out.
 * @throws RemotingError; ResponseError for codes that are not about where to go on.
 */
export async function pullMessages(
  pull: Pull,
  channel: Channel,
  signal: AbortSignal,
  onDamaged: (error: Error) => void,
): Promise<Pulled> {
  const { queue, suspendDurationMs } = pull;
  const request = pullMessage.encode({
    consumerGroup: pull.group,
    topic: queue.topic,
    queueId: queue.queueId,
    queueOffset: pull.offset,
    messageCountMax: pullMessagesMax,
    // With the subscription in the request a pull needs no heartbeat before it. It commits nothing: brokers work on several requests of a
    // connection at once, and one that is under way when its reader stops could undo what is stored then.
    sysFlag: suspendDurationMs > 0 ? PullFlag.SUSPEND | PullFlag.SUBSCRIPTION : PullFlag.SUBSCRIPTION,
    commitOffset: 0n,
    suspendDurationMs,
    subscription: pull.expression,
    subscriptionVersion: BigInt(pull.subscriptionVersion),
    expressionType: pull.expressionType,
  });
  const reply = await channel.invoke(request, Deadline.after(suspendDurationMs + answerTimeoutMs, signal));
  const { nextBeginOffset, maxOffset } = pullMessage.decodeReply(reply, channel.address);
  if (reply.code === ResponseCode.SUCCESS) {
    const messages = readStoredMessages(reply.body, onDamaged);
    return { outcome: 'found', nextOffset: nextBeginOffset, maxOffset, messages };
  }
  const outcome = reply.code === ResponseCode.PULL_OFFSET_MOVED ? 'moved' : 'nothing';
  return { outcome, nextOffset: nextBeginOffset, maxOffset, messages: [] };
}

/**
 * The connection to the broker that has a queue.
 * @throws ClientError `noRoute`, `noBroker`; RemotingError.
 */
export async function channelOf(cluster: Cluster, queue: MessageQueue, deadline: Deadline): Promise<Channel> {
  const route = await cluster.routes.find(queue.topic, deadline);
  if (route === undefined) throw new ClientError('noRoute', `topic ${queue.topic} does not exist any more`);
  return cluster.broker(route, queue.brokerName, deadline);
}

/** Names a queue among all of a cluster. */
export function queueKey({ topic, brokerName, queueId }: MessageQueue): string {
  return `${topic} ${brokerName} ${queueId}`;
}
