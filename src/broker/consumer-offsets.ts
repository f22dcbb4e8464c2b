import { isJsonObject, type Json, type JsonObject } from '../remoting/json.ts';
import type { StateLog, StatePart } from './state-log.ts';

/** A queue as one group reads it. */
export interface GroupQueue {
  readonly group: string;
  readonly topic: string;
  readonly queueId: number;
}

type Offsets = Map<number, number>;

/**
 * How far each group has got in each queue: the offset of its next message. For POP that is the next one to be handed out for the
 * first time.
 */
export class ConsumerOffsets implements StatePart {
  readonly name = 'offsets';
  /** By group, then topic, then queue id. */
  readonly #groups = new Map<string, Map<string, Offsets>>();
  /** Offsets that groups were told to go to and have not heard of yet. */
  readonly #resets = new Map<string, GroupQueue & { readonly offset: number }>();

  get({ group, topic, queueId }: GroupQueue): number | undefined {
    return this.#groups.get(group)?.get(topic)?.get(queueId);
  }

  /** Where nothing changes, nothing is stored. @throws StoreError */
  async set({ group, topic, queueId }: GroupQueue, offset: number, state: StateLog): Promise<void> {
    if (this.get({ group, topic, queueId }) === offset) return;
    await state.write(this, [group, topic, queueId, offset]);
  }

  /** Sets the offset, and has the group's next pull of the queue told to start there. @throws StoreError */
  async reset(queue: GroupQueue, offset: number, state: StateLog): Promise<void> {
    this.#resets.set(resetKey(queue), { ...queue, offset });
    await this.set(queue, offset, state);
  }

  /** Has the group's next pull of the queue told to start with its first message: the queue is another one than before. */
  startAgain(queue: GroupQueue): void {
    this.#resets.set(resetKey(queue), { ...queue, offset: 0 });
  }

  /** Where the group was told to go and has not heard of yet. */
  pendingReset(queue: GroupQueue): number | undefined {
    return this.#resets.get(resetKey(queue))?.offset;
  }

  /** The group has heard of it. */
  endReset(queue: GroupQueue): void {
    this.#resets.delete(resetKey(queue));
  }

  topicsOf(group: string): Iterable<string> {
    return this.#groups.get(group)?.keys() ?? [];
  }

  groupsOf(topic: string): string[] {
    return [...this.#groups].filter(([, topics]) => topics.has(topic)).map(([group]) => group);
  }

  /** Forgets what is known of a group, or of a topic. */
  async forget(what: { readonly group: string } | { readonly topic: string }, state: StateLog): Promise<void> {
    await state.write(this, what);
  }

  /** Every offset. */
  *all(): Iterable<GroupQueue & { readonly offset: number }> {
    for (const [group, topics] of this.#groups) {
      for (const [topic, offsets] of topics) {
        for (const [queueId, offset] of offsets) yield { group, topic, queueId, offset };
      }
    }
  }

  snapshot(): Json {
    return [...this.all()].map(({ group, topic, queueId, offset }) => [group, topic, queueId, offset]);
  }

  restore(snapshot: Json): void {
    for (const entry of Array.isArray(snapshot) ? (snapshot as readonly Json[]) : []) this.apply(entry);
  }

  apply(change: Json): void {
    if (Array.isArray(change)) this.#put(change as readonly Json[]);
    else if (isJsonObject(change)) this.#forget(change);
    else throw senseless();
  }

  #put([group, topic, queueId, offset]: readonly Json[]): void {
    if (
      typeof group !== 'string' ||
      typeof topic !== 'string' ||
      typeof queueId !== 'number' ||
      typeof offset !== 'number'
    ) {
      throw senseless();
    }
    const topics = this.#groups.get(group) ?? new Map<string, Offsets>();
    this.#groups.set(group, topics);
    const offsets = topics.get(topic) ?? new Map<number, number>();
    topics.set(topic, offsets.set(queueId, offset));
  }

  #forget({ group, topic }: JsonObject): void {
    for (const [key, reset] of this.#resets) {
      if (reset.group === group || reset.topic === topic) this.#resets.delete(key);
    }
    if (typeof group === 'string') this.#groups.delete(group);
    if (typeof topic !== 'string') return;
    for (const topics of this.#groups.values()) topics.delete(topic);
  }
}

function resetKey({ group, topic, queueId }: GroupQueue): string {
  return `${group} ${topic} ${queueId}`;
}

function senseless(): Error {
  return new Error('a change of consumer offsets makes no sense');
}
