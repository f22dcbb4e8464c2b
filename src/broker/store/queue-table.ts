import type { QueueName } from './message-store.ts';
import { QueueIndex } from './queue-index.ts';

/** The indexes of all queues. */
export class QueueTable {
  readonly #topics = new Map<string, Map<number, QueueIndex>>();

  get(topic: string, queueId: number): QueueIndex | undefined {
    return this.#topics.get(topic)?.get(queueId);
  }

  /** Makes what is not there. */
  getOrMake(topic: string, queueId: number): QueueIndex {
    let queues = this.#topics.get(topic);
    if (queues === undefined) {
      queues = new Map();
      this.#topics.set(topic, queues);
    }
    let queue = queues.get(queueId);
    if (queue === undefined) {
      queue = new QueueIndex();
      queues.set(queueId, queue);
    }
    return queue;
  }

  drop(topic: string): void {
    this.#topics.delete(topic);
  }

  trim(minCommitLogOffset: number): void {
    for (const queues of this.#topics.values()) {
      for (const queue of queues.values()) queue.trim(minCommitLogOffset);
    }
  }

  *names(): Iterable<QueueName> {
    for (const [topic, queues] of this.#topics) {
      for (const queueId of queues.keys()) yield { topic, queueId };
    }
  }
}
