import { isJsonObject, type Json } from '../../remoting/json.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { Alarm } from '../alarm.ts';
import type { Clock } from '../clock.ts';
import type { GroupQueue } from '../consumer-offsets.ts';
import { RequestRefused } from '../refused.ts';
import type { StateLog, StatePart } from '../state-log.ts';
import { TimerQueue } from '../timer-queue.ts';
import { PollCounts } from './poll-counts.ts';
import { endedChange, leasedChange, type PopChange, readPopChange } from './pop-change.ts';
import { type Lease, PopQueue } from './pop-queue.ts';
import { QuietGroups } from './quiet-groups.ts';
import { eachOffset, toRuns } from './runs.ts';

/** Ends of leases that may be kept beyond those that are needed, in a heap of 16 bytes each. */
const spareEndsMax = 1_024;

/** What the part needs of the engine. */
export interface PopQueuesParts {
  readonly options: { readonly clock: Clock; readonly popInFlightCountMax: number };
  readonly state: StateLog;
  readonly held: { wake(topic: string): void };
}

/** What a POP takes from one queue. */
export interface Popped {
  /** Later than that of each message's delivery before, and so maybe a little later than now. */
  readonly popTimeMs: number;
  readonly visibleAtMs: number;
  readonly offsets: readonly number[];
  /** Deliveries before this one, of each. */
  readonly reconsumeTimes: readonly number[];
  /** Of an ordered POP; empty for others. */
  readonly attemptId: string;
}

/** One delivery of messages of a queue, as a client knows it from its receipt. */
export interface Delivery {
  readonly popTimeMs: number;
  readonly invisibleDurationMs: number;
}

interface TopicPops {
  readonly queues: Map<number, PopQueue>;
  /** Queue that the next POP begins with. */
  turn: number;
}

/**
 * What groups have popped and not acknowledged. Messages come again in place: no other topic holds them meanwhile. What is visible again
 * is known by one timer for all queues, which wakes the polls that wait.
 */
export class PopQueues implements StatePart {
  readonly name = 'pops';
  readonly polls = new PollCounts();
  readonly quiet = new QuietGroups();
  /** By group, then topic. */
  readonly #groups = new Map<string, Map<string, TopicPops>>();
  /** Those whose messages are invisible. */
  readonly #leases = new Map<number, Lease>();
  readonly #ends = new TimerQueue();
  readonly #onEnded = (lease: Lease): boolean => this.#leases.delete(lease.id);
  #lastLeaseId = 0;
  #parts: PopQueuesParts | undefined;
  #alarm: Alarm | undefined;

  /** Begins to make messages visible again. */
  start(parts: PopQueuesParts): void {
    this.#parts = parts;
    this.#alarm = new Alarm(parts.options.clock, () => this.makeVisible());
    this.makeVisible();
  }

  close(): void {
    this.#alarm?.cancel();
    // What is still on its way sets no other.
    this.#alarm = undefined;
  }

  /** Ends that are kept though nothing ends by them any more. */
  get spareEndCount(): number {
    return this.#ends.count - this.#leases.size;
  }

  find({ group, topic, queueId }: GroupQueue): PopQueue | undefined {
    return this.#groups.get(group)?.get(topic)?.queues.get(queueId);
  }

  /** Messages that a group popped from a topic and did not acknowledge. */
  inFlightCount(group: string, topic: string): number {
    let count = 0;
    for (const queue of this.#groups.get(group)?.get(topic)?.queues.values() ?? []) count += queue.count;
    return count;
  }

  /** Which of a topic's queues, counted on and on, the group's next POP begins with. */
  turn(group: string, topic: string): number {
    return this.#groups.get(group)?.get(topic)?.turn ?? 0;
  }

  endTurn(group: string, topic: string): void {
    const pops = this.#groups.get(group)?.get(topic);
    if (pops !== undefined) pops.turn += 1;
  }

  /** Makes messages invisible to the group. @throws StoreError */
  async pop(queue: GroupQueue, popped: Popped): Promise<void> {
    const { popTimeMs, visibleAtMs, attemptId } = popped;
    const byCount = new Map<number, number[]>();
    popped.offsets.forEach((offset, at) => {
      const reconsumeTimes = popped.reconsumeTimes[at] ?? 0;
      const same = byCount.get(reconsumeTimes);
      if (same === undefined) byCount.set(reconsumeTimes, [offset]);
      else same.push(offset);
    });
    const changes = [...byCount].map(([reconsumeTimes, offsets]) =>
      leasedChange(queue, { popTimeMs, visibleAtMs, reconsumeTimes, runs: toRuns(offsets) }, attemptId),
    );
    await this.#write(changes);
  }

  /**
   * Acknowledges messages of one delivery. Those that were acknowledged by the same receipt already count as well.
   * @returns How many of them were.
   * @throws StoreError
   */
  async ack(name: GroupQueue, delivery: Delivery, offsets: readonly number[]): Promise<number> {
    const queue = this.find(name);
    if (queue === undefined) return 0;
    const { popTimeMs } = delivery;
    const isInTime = popTimeMs + delivery.invisibleDurationMs > this.#nowMs();
    const open: number[] = [];
    let againCount = 0;
    for (const offset of offsets) {
      if (this.#isInvisible(queue.find(offset), popTimeMs)) open.push(offset);
      else if (isInTime && queue.wasAcked(offset, popTimeMs)) againCount += 1;
    }
    const stored = this.drop(name, open);
    this.#wakeWaiting(queue);
    await stored;
    return open.length + againCount;
  }

  /**
   * Lets a message be invisible for another time from now on; 0 ms or less makes it visible at once. The receipt is spent.
   * @returns The delivery that the new receipt names.
   * @throws RequestRefused NO_MESSAGE; StoreError.
   */
  async change(name: GroupQueue, offset: number, { popTimeMs }: Delivery, durationMs: number): Promise<Delivery> {
    const lease = this.find(name)?.find(offset);
    if (lease === undefined || !this.#isInvisible(lease, popTimeMs)) throw expired(name, offset);
    const nowMs = this.#nowMs();
    const changed = { popTimeMs: Math.max(nowMs, popTimeMs + 1), invisibleDurationMs: Math.max(durationMs, 0) };
    const visibleAtMs = nowMs + changed.invisibleDurationMs;
    const { reconsumeTimes } = lease;
    const runs = [offset, 1];
    const stored = this.#write([
      leasedChange(name, { popTimeMs: changed.popTimeMs, visibleAtMs, reconsumeTimes, runs }),
    ]);
    if (visibleAtMs <= nowMs) this.makeVisible();
    await stored;
    return changed;
  }

  /** Forgets messages that are done with, or that cannot be delivered. @throws StoreError */
  async drop(name: GroupQueue, offsets: readonly number[]): Promise<void> {
    if (offsets.length > 0) await this.#write([endedChange(name, toRuns(offsets))]);
  }

  /** Forgets what a group has in flight in one queue: its offset was set anew. @throws StoreError */
  async clear({ group, topic, queueId }: GroupQueue): Promise<void> {
    await this.#write([['clear', group, topic, queueId]]);
  }

  /** Forgets all of a group, or of a topic. @throws StoreError */
  async forget(what: { readonly group: string } | { readonly topic: string }, state: StateLog): Promise<void> {
    await state.write(this, what);
  }

  /** Makes visible whatever is due, and wakes the polls that wait for it. Not to be called while a POP is under way. */
  makeVisible(): void {
    const nowMs = this.#nowMs();
    const topics = new Set<string>();
    while (this.#ends.firstMs <= nowMs) {
      const lease = this.#leases.get(this.#ends.pop() ?? 0);
      if (lease === undefined) continue;
      this.#leases.delete(lease.id);
      lease.queue.release(lease);
      topics.add(lease.queue.name.topic);
    }
    this.#alarm?.set(this.#ends.firstMs);
    for (const topic of topics) this.#parts?.held.wake(topic);
  }

  snapshot(): Json {
    const changes: Json[] = [];
    for (const topics of this.#groups.values()) {
      for (const { queues } of topics.values()) {
        for (const queue of queues.values()) {
          for (const [lease, runs] of queue.openLeases()) {
            changes.push(leasedChange(queue.name, { ...lease, runs }, queue.attemptId));
          }
        }
      }
    }
    return changes;
  }

  restore(snapshot: Json): void {
    for (const change of Array.isArray(snapshot) ? (snapshot as readonly Json[]) : []) this.apply(change);
  }

  apply(change: Json): void {
    if (isJsonObject(change)) this.#forget(change);
    else this.#apply(readPopChange(change));
  }

  #apply(change: PopChange): void {
    switch (change.kind) {
      case 'leased':
        this.#lease(change);
        break;
      case 'ended': {
        const queue = this.find(change.queue);
        if (queue !== undefined) eachOffset(change.runs, (offset) => queue.end(offset, this.#onEnded));
        break;
      }
      case 'clear':
        this.#clear(change.queue);
    }
  }

  #clear({ group, topic, queueId }: GroupQueue): void {
    const queues = this.#groups.get(group)?.get(topic)?.queues;
    this.#forgetLeases(queues?.get(queueId));
    queues?.delete(queueId);
  }

  #lease({ queue: name, lease: content, attemptId }: PopChange & { readonly kind: 'leased' }): void {
    const queue = this.#findOrMake(name);
    let openCount = 0;
    for (let at = 1; at < content.runs.length; at += 2) openCount += content.runs[at] ?? 0;
    this.#lastLeaseId += 1;
    const lease = { ...content, id: this.#lastLeaseId, queue, openCount };
    if (attemptId !== undefined) queue.attemptId = attemptId;
    this.#leases.set(lease.id, lease);
    this.#ends.push(lease.visibleAtMs, lease.id);
    queue.add(lease, this.#onEnded);
    if (this.#ends.count > 2 * this.#leases.size + spareEndsMax) this.#ends.retain((id) => this.#leases.has(id));
    this.#alarm?.set(this.#ends.firstMs);
  }

  #forget(what: { readonly group?: Json | undefined; readonly topic?: Json | undefined }): void {
    for (const [group, topics] of this.#groups) {
      for (const [topic, { queues }] of topics) {
        if (group !== what.group && topic !== what.topic) continue;
        for (const queue of queues.values()) this.#forgetLeases(queue);
        topics.delete(topic);
      }
      if (topics.size === 0) this.#groups.delete(group);
    }
  }

  #forgetLeases(queue: PopQueue | undefined): void {
    for (const lease of queue?.openLeases().keys() ?? []) this.#leases.delete(lease.id);
  }

  #findOrMake(name: GroupQueue): PopQueue {
    const { group, topic, queueId } = name;
    const topics = this.#groups.get(group) ?? new Map<string, TopicPops>();
    this.#groups.set(group, topics);
    const pops = topics.get(topic) ?? { queues: new Map<number, PopQueue>(), turn: 0 };
    topics.set(topic, pops);
    const queue = pops.queues.get(queueId) ?? new PopQueue({ group, topic, queueId });
    pops.queues.set(queueId, queue);
    return queue;
  }

  #isInvisible(lease: Lease | undefined, popTimeMs: number): lease is Lease {
    return lease !== undefined && lease.popTimeMs === popTimeMs && lease.visibleAtMs > this.#nowMs();
  }

  #wakeWaiting(queue: PopQueue): void {
    if (queue.waitedFor === undefined || (queue.waitedFor === 'order' && queue.isBlocked)) return;
    queue.waitedFor = undefined;
    this.#parts?.held.wake(queue.name.topic);
  }

  #nowMs(): number {
    return this.#parts?.options.clock.now() ?? 0;
  }

  async #write(changes: readonly Json[]): Promise<void> {
    const { state } = this.#started();
    await Promise.all(changes.map((change) => state.write(this, change)));
  }

  #started(): PopQueuesParts {
    if (this.#parts === undefined) throw new Error('the POP queues are not started yet');
    return this.#parts;
  }
}

/** A receipt that names no delivery which still lasts. */
export function expired({ group, topic, queueId }: GroupQueue, offset: number): RequestRefused {
  return new RequestRefused(
    ResponseCode.NO_MESSAGE,
    `${group} has no message ${offset} of queue ${queueId} of ${topic} by this receipt: its time is over, or another receipt replaced it`,
  );
}
