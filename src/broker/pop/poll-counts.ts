/** How many POPs of each group wait for messages of a queue. */
export class PollCounts {
  readonly #counts = new Map<string, number>();

  get(place: PolledPlace): number {
    return this.#counts.get(keyOf(place)) ?? 0;
  }

  /** Counts one more until its answer is there. */
  async count<T>(place: PolledPlace, answer: Promise<T>): Promise<T> {
    const key = keyOf(place);
    this.#counts.set(key, this.get(place) + 1);
    try {
      return await answer;
    } finally {
      const left = this.get(place) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    }
  }
}

/** What somebody waits for; a queue id below 0 stands for all queues. */
export interface PolledPlace {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
}

function keyOf({ group, topic, queueId }: PolledPlace): string {
  return `${group} ${topic} ${Math.max(queueId, -1)}`;
}
