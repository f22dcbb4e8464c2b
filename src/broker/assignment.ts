import type { MessageQueue } from '../remoting/message.ts';

/**
 * Gives one client its part of the queues of a topic. Queues and client ids are sorted, so that all clients come to parts that fit.
 * @param at Place of the client among `clientCount` sorted ids.
 */
export type AllocationStrategy = (
  queues: readonly MessageQueue[],
  at: number,
  clientCount: number,
) => readonly MessageQueue[];

/** Neighbouring queues, as many for each as can be, the first clients getting one more (Java `AllocateMessageQueueAveragely`). */
const averagely: AllocationStrategy = (queues, at, clientCount) => {
  const most = Math.ceil(queues.length / clientCount);
  // So many clients get one queue more than the others; all of them do where the queues come out even.
  const longerCount = queues.length % clientCount || clientCount;
  const start = at * most - Math.max(0, at - longerCount);
  return queues.slice(start, start + (at < longerCount ? most : most - 1));
};

/** Every n-th queue (Java `AllocateMessageQueueAveragelyByCircle`). */
const byCircle: AllocationStrategy = (queues, at, clientCount) =>
  queues.filter((_, index) => index % clientCount === at);

const strategies: ReadonlyMap<string, AllocationStrategy> = new Map([
  ['AVG', averagely],
  ['AVG_BY_CIRCLE', byCircle],
]);

/** What is to be shared out, and among whom. */
export interface Sharing {
  readonly queues: readonly MessageQueue[];
  readonly clientIds: readonly string[];
  readonly clientId: string;
  /** `AVG` or `AVG_BY_CIRCLE`: the two that Java's brokers know. */
  readonly strategyName: string;
}

/** The queues of one client that pulls; undefined where there is no such strategy, and nothing where the client is none of them. */
export function allocate(sharing: Sharing): readonly MessageQueue[] | undefined {
  const strategy = strategies.get(sharing.strategyName);
  const clientIds = sharing.clientIds.toSorted();
  const at = clientIds.indexOf(sharing.clientId);
  if (strategy === undefined || at < 0) return strategy && [];
  return strategy(sortedQueues(sharing.queues), at, clientIds.length);
}

/**
 * The queues of one client that pops (Java `QueryAssignmentProcessor.allocate4Pop`).
 * @param shareCount Of how many clients behind it one gets the queues too. 0 or less, or as many as there are: each pops from all queues,
 * which queue id -1 says.
 */
export function allocateForPop(sharing: Sharing, shareCount: number): readonly MessageQueue[] | undefined {
  const strategy = strategies.get(sharing.strategyName);
  if (strategy === undefined) return undefined;
  const clientIds = sharing.clientIds.toSorted();
  if (shareCount <= 0 || shareCount >= clientIds.length - 1) return wholeTopics(sharing.queues);
  const at = clientIds.indexOf(sharing.clientId);
  if (at < 0) return [];
  const queues = sortedQueues(sharing.queues);
  if (clientIds.length > queues.length) return queues.slice(at % queues.length, (at % queues.length) + 1);
  const parts = Array.from({ length: shareCount + 1 }, (_, next) =>
    strategy(queues, (at + next) % clientIds.length, clientIds.length),
  );
  return parts.flat();
}

function wholeTopics(queues: readonly MessageQueue[]): readonly MessageQueue[] {
  const [first] = queues;
  return first === undefined ? [] : [{ ...first, queueId: -1 }];
}

/** All of one topic and one broker, as the engine's are. */
function sortedQueues(queues: readonly MessageQueue[]): readonly MessageQueue[] {
  return queues.toSorted((one, other) => one.queueId - other.queueId);
}
