import type { GroupQueue } from '../consumer-offsets.ts';
import { TimerQueue } from '../timer-queue.ts';
import { RecentAcks } from './recent-acks.ts';
import { eachOffset, type Runs, toRuns } from './runs.ts';

/** Messages of one queue that were popped together and as often before: invisible to the group until their time ends. */
export interface Lease {
  readonly id: number;
  readonly queue: PopQueue;
  /** When they were popped, in ms since 1970; with the offset it names one delivery, so no two of a message have the same. */
  readonly popTimeMs: number;
  readonly visibleAtMs: number;
  /** Deliveries before this one. */
  readonly reconsumeTimes: number;
  readonly runs: Runs;
  /** Messages of it that were neither acknowledged nor popped again. */
  openCount: number;
}

/** What one group has popped from one queue and not acknowledged. */
export class PopQueue {
  readonly name: GroupQueue;
  /** Names the ordered POP that took what is in flight, so that the same POP sent again gets the same. */
  attemptId = '';
  /** Why a POP got nothing here: an ack may change that. */
  waitedFor: 'order' | 'room' | undefined;
  readonly #leases = new Map<number, Lease>();
  /** Offsets of what is visible again; in the place of time stands the offset, so the lowest comes first. */
  readonly #visible = new TimerQueue();
  readonly #recentAcks = new RecentAcks();

  constructor(name: GroupQueue) {
    this.name = name;
  }

  /** Messages in flight, those too that are visible again. */
  get count(): number {
    return this.#leases.size;
  }

  get visibleCount(): number {
    return this.#visible.count;
  }

  /** True while a message is invisible: nothing may overtake it. */
  get isBlocked(): boolean {
    return this.#leases.size > this.#visible.count;
  }

  find(offset: number): Lease | undefined {
    return this.#leases.get(offset);
  }

  /** True for the last acks. */
  wasAcked(offset: number, popTimeMs: number): boolean {
    return this.#recentAcks.has(offset, popTimeMs);
  }

  /** Makes the messages of a lease invisible. @param onEnded Called with each lease that ends by that. */
  add(lease: Lease, onEnded: (lease: Lease) => void): void {
    eachOffset(lease.runs, (offset) => {
      const before = this.#leases.get(offset);
      this.#leases.set(offset, lease);
      if (before !== undefined) closeOne(before, onEnded);
    });
  }

  /** Forgets a message that was acknowledged, or that cannot be delivered. */
  end(offset: number, onEnded: (lease: Lease) => void): void {
    const lease = this.#leases.get(offset);
    if (lease === undefined) return;
    this.#leases.delete(offset);
    this.#recentAcks.add(offset, lease.popTimeMs);
    closeOne(lease, onEnded);
  }

  /** The time of a lease is over. */
  release(lease: Lease): void {
    eachOffset(lease.runs, (offset) => {
      if (this.#leases.get(offset) === lease) this.#visible.push(offset, offset);
    });
  }

  /** The lowest offset that is visible again; Infinity where none is. */
  get lowestVisible(): number {
    return this.#visible.firstMs;
  }

  /** Takes it out: in the same turn its message must be popped or forgotten. */
  takeVisible(): number {
    return this.#visible.pop() ?? Number.POSITIVE_INFINITY;
  }

  /** Offsets of what is invisible, in their order. */
  invisibleOffsets(nowMs: number): number[] {
    const offsets: number[] = [];
    for (const [offset, lease] of this.#leases) if (lease.visibleAtMs > nowMs) offsets.push(offset);
    return offsets.sort((a, b) => a - b);
  }

  /** Every lease with what is open of it. */
  openLeases(): Map<Lease, number[]> {
    const offsets = new Map<Lease, number[]>();
    for (const [offset, lease] of this.#leases) {
      const open = offsets.get(lease);
      if (open === undefined) offsets.set(lease, [offset]);
      else open.push(offset);
    }
    return new Map([...offsets].map(([lease, open]) => [lease, toRuns(open)]));
  }
}

function closeOne(lease: Lease, onEnded: (lease: Lease) => void): void {
  lease.openCount -= 1;
  if (lease.openCount === 0) onEnded(lease);
}
