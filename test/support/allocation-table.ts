import { readFileSync } from 'node:fs';
import { type AllocationStrategy, allocatedQueues } from '../../src/client/pull/allocation.ts';
import type { MessageQueue } from '../../src/remoting/message.ts';

/** One sharing of the official strategies' table: see test/fixtures/allocation. */
export interface Sharing {
  readonly strategy: string;
  readonly queues: readonly MessageQueue[];
  readonly clientIds: readonly string[];
  /** What each member gets, in their order: `broker:queueId`. */
  readonly shares: readonly (readonly string[])[];
}

/** What the Java client gave by a strategy, named as in the table. */
export function javaSharings(strategy: string): readonly Sharing[] {
  const table = readFileSync(new URL('../fixtures/allocation/table-5.5.0.jsonl', import.meta.url), 'utf8');
  const lines = table.trim().split('\n');
  const sharings = lines.map((line) => JSON.parse(line)).filter((sharing) => sharing.strategy === strategy);
  return sharings.map((sharing) => ({ ...sharing, queues: sharing.queues.map(queueOf) }));
}

function queueOf(text: string): MessageQueue {
  const at = text.lastIndexOf(':');
  return { topic: 'Topic', brokerName: text.slice(0, at), queueId: Number(text.slice(at + 1)) };
}

/** What a strategy gives each member. */
export function sharesOf(
  strategy: AllocationStrategy,
  { queues, clientIds }: Pick<Sharing, 'queues' | 'clientIds'>,
): string[][] {
  return clientIds.map((clientId) =>
    allocatedQueues(strategy, { group: 'group', clientId, clientIds, queues }).map(
      ({ brokerName, queueId }) => `${brokerName}:${queueId}`,
    ),
  );
}
