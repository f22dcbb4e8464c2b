import type { MessageQueue } from '../remoting/message.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { RequestRefused } from './refused.ts';

/** How long a lock holds unless it is renewed; clients renew every 20 s and trust one for 30 s (Java `RebalanceLockManager`). */
export const lockDurationMs = 60_000;
/** Most locks at a time. */
export const lockCountMax = 100_000;

interface Lock {
  readonly clientId: string;
  /** On the clock of `performance.now`. */
  readonly endsMs: number;
}

/**
 * Which client of a group may read a queue in order. A lock outlives its client's connection: the client may have lost nothing but that,
 * and goes on with what it has for up to 30 s.
 */
export class QueueLocks {
  readonly #countMax: number;
  readonly #groups = new Map<string, Map<string, Lock>>();
  #count = 0;

  constructor(countMax: number = lockCountMax) {
    this.#countMax = countMax;
  }

  /** Locks that are held, or were and have not been looked at since. */
  get count(): number {
    return this.#count;
  }

  /**
   * Locks the queues that nobody else in the group holds; returns those that the client now holds, each for 60 s from now.
   * @throws RequestRefused SYSTEM_BUSY when there are too many locks already; some of the queues may be locked then.
   */
  lock(group: string, clientId: string, queues: readonly MessageQueue[]): readonly MessageQueue[] {
    const nowMs = performance.now();
    return queues.filter((queue) =>
      this.#tryLock(group, keyOf(queue), { clientId, endsMs: nowMs + lockDurationMs }, nowMs),
    );
  }

  /** Gives back the queues that the client holds. */
  unlock(group: string, clientId: string, queues: readonly MessageQueue[]): void {
    for (const queue of queues) {
      const key = keyOf(queue);
      if (this.#groups.get(group)?.get(key)?.clientId === clientId) this.#delete(group, key);
    }
  }

  /** Gives back all that the client holds in a group: it has left. */
  release(group: string, clientId: string): void {
    for (const [key, lock] of this.#groups.get(group) ?? []) if (lock.clientId === clientId) this.#delete(group, key);
  }

  /** Whether anyone holds a queue of the group. */
  isHeld(group: string): boolean {
    const nowMs = performance.now();
    for (const { endsMs } of this.#groups.get(group)?.values() ?? []) if (endsMs > nowMs) return true;
    return false;
  }

  #tryLock(group: string, key: string, lock: Lock, nowMs: number): boolean {
    const locks = this.#groups.get(group);
    const held = locks?.get(key);
    if (held !== undefined && held.clientId !== lock.clientId && held.endsMs > nowMs) return false;
    if (held === undefined) this.#makeRoom(nowMs);
    const current = this.#groups.get(group);
    if (current === undefined) this.#groups.set(group, new Map([[key, lock]]));
    else current.set(key, lock);
    if (held === undefined) this.#count += 1;
    return true;
  }

  /** @throws RequestRefused SYSTEM_BUSY. */
  #makeRoom(nowMs: number): void {
    if (this.#count < this.#countMax) return;
    for (const [group, locks] of this.#groups) {
      for (const [key, { endsMs }] of locks) if (endsMs <= nowMs) this.#delete(group, key);
    }
    if (this.#count < this.#countMax) return;
    throw new RequestRefused(
      ResponseCode.SYSTEM_BUSY,
      `${this.#countMax} queues are locked: end some orderly consumers`,
    );
  }

  #delete(group: string, key: string): void {
    const locks = this.#groups.get(group);
    if (locks?.delete(key) === true) this.#count -= 1;
    if (locks?.size === 0) this.#groups.delete(group);
  }
}

function keyOf({ topic, queueId }: MessageQueue): string {
  return `${topic} ${queueId}`;
}
