import { javaStringHash } from '../remoting/java-hash.ts';
import type { MessageQueue } from '../remoting/message.ts';
import type { Route } from './route.ts';

/**
 * The queue of a sharding key: as Java `SelectMessageQueueByHash` chooses, so that all producers of a key agree.
 * Undefined when there is no queue.
 */
export function queueForKey(queues: readonly MessageQueue[], shardingKey: string): MessageQueue | undefined {
  return queues[Math.abs(javaStringHash(shardingKey) % queues.length)];
}

/** Chooses queues in turn, for messages without a sharding key. */
export class QueueTurn {
  #turn = Math.floor(Math.random() * 1_000);

  /** The next queue, one of a broker that has not failed where there is one; undefined when there is no queue. */
  next(route: Route, failedBrokers: ReadonlySet<string>): MessageQueue | undefined {
    this.#turn = (this.#turn + 1) % Number.MAX_SAFE_INTEGER;
    const { writeQueues } = route;
    if (failedBrokers.size === 0) return writeQueues[this.#turn % writeQueues.length];
    const healthy = writeQueues.filter(({ brokerName }) => !failedBrokers.has(brokerName));
    const choice = healthy.length > 0 ? healthy : writeQueues;
    return choice[this.#turn % choice.length];
  }
}
