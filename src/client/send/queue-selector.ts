import { javaStringHash } from '../../remoting/java-hash.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import type { Route } from '../cluster/route.ts';
import { BrokerHealth } from './broker-health.ts';

/**
 * The queue of a sharding key: as Java `SelectMessageQueueByHash` chooses, so that all producers of a key agree.
 * Undefined when there is no queue.
 */
export function queueForKey(queues: readonly MessageQueue[], shardingKey: string): MessageQueue | undefined {
  return queues[Math.abs(javaStringHash(shardingKey) % queues.length)];
}

/** Chooses queues in turn, for messages without a sharding key. */
export class QueueTurn {
  readonly #health: BrokerHealth;
  #turn = Math.floor(Math.random() * 1_000);

  constructor(health: BrokerHealth = new BrokerHealth()) {
    this.#health = health;
  }

  /**
   * The next queue: of a broker that has not failed this message and is well, else one that has not failed it and answers, if slowly, else
   * one that has not failed it, else any. Undefined when there is no queue.
   */
  next(route: Route, failedBrokers: ReadonlySet<string>): MessageQueue | undefined {
    this.#turn = (this.#turn + 1) % Number.MAX_SAFE_INTEGER;
    const choice = this.#choice(route.writeQueues, failedBrokers);
    return choice[this.#turn % choice.length];
  }

  #choice(queues: readonly MessageQueue[], failedBrokers: ReadonlySet<string>): readonly MessageQueue[] {
    if (failedBrokers.size === 0 && this.#health.allWell) return queues;
    const untried = queues.filter(({ brokerName }) => !failedBrokers.has(brokerName));
    if (untried.length === 0) return queues;
    if (this.#health.allWell) return untried;
    const well = untried.filter(({ brokerName }) => this.#health.stateOf(brokerName) === 'well');
    if (well.length > 0) return well;
    const slow = untried.filter(({ brokerName }) => this.#health.stateOf(brokerName) === 'slow');
    return slow.length > 0 ? slow : untried;
  }
}

/** Whether a broker is left that has not failed this message and is well. */
export function hasWellBroker(route: Route, failedBrokers: ReadonlySet<string>, health: BrokerHealth): boolean {
  return route.writeQueues.some(
    ({ brokerName }) => !failedBrokers.has(brokerName) && health.stateOf(brokerName) === 'well',
  );
}
