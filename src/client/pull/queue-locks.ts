import { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import {
  decodeLockedQueues,
  encodeLockBatch,
  encodeUnlockBatch,
  type QueueBatch,
  unlockBatch,
} from '../../remoting/requests/lock-batch.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ClientLog } from '../options.ts';
import { channelOf, queueKey } from './pull-requests.ts';

/** Longest wait for a broker to lock or unlock, in ms. */
const lockTimeoutMs = 3_000;

export interface QueueLocksOptions {
  /** Age at which a lock is asked for again, in ms. Default: 20 s, as official clients. */
  readonly renewAgeMs: number;
  /** How long a lock is believed without a broker's word, in ms. Default: 30 s; brokers keep it for 60 s. */
  readonly beliefMs: number;
  /** How often locks are looked at, in ms. Default: 1 s. */
  readonly checkIntervalMs: number;
  /** How long after a renewal that failed the next is tried, in ms. Default: 3 s. */
  readonly retryDelayMs: number;
}

export const queueLocksDefaults: QueueLocksOptions = {
  renewAgeMs: 20_000,
  beliefMs: 30_000,
  checkIntervalMs: 1_000,
  retryDelayMs: 3_000,
};

/** Queues of one broker. */
type Batch = readonly [MessageQueue, ...MessageQueue[]];

interface Lock {
  readonly queue: MessageQueue;
  /** Both on the clock of `performance.now`. */
  believedUntilMs: number;
  renewalDueMs: number;
}

export interface QueueLocksParts {
  readonly cluster: Cluster;
  readonly log: ClientLog;
  readonly group: string;
  /** A lock is lost: somebody else has it, or the broker has not answered for too long. */
  readonly onLost: (queue: MessageQueue) => void;
}

/** The queues of which this client is the only reader in its group, as their brokers grant it (Java `RebalanceLockManager`). */
export class QueueLocks {
  readonly #parts: QueueLocksParts;
  readonly #options: QueueLocksOptions;
  readonly #locks = new Map<string, Lock>();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: QueueLocksParts, options: QueueLocksOptions = queueLocksDefaults) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Asks for queues; gives those that are locked now, and are renewed until they are unlocked or lost. Never fails. */
  async lock(queues: readonly MessageQueue[]): Promise<readonly MessageQueue[]> {
    const locked = await Promise.all(byBroker(queues).map((batch) => this.#lockBatch(batch)));
    return queues.filter((queue) => locked.some((keys) => keys?.has(queueKey(queue)) === true));
  }

  /** Gives queues back; one that was lost already needs nothing. Never fails: a lock that stays ends by itself. */
  async unlock(queues: readonly MessageQueue[]): Promise<void> {
    const held = queues.filter((queue) => this.#locks.delete(queueKey(queue)));
    if (this.#locks.size === 0) clearInterval(this.#timer);
    await Promise.all(byBroker(held).map((batch) => this.#unlockBatch(batch)));
  }

  /** What of a broker's queues is locked now; undefined when it did not say. */
  async #lockBatch(queues: Batch): Promise<ReadonlySet<string> | undefined> {
    const askedMs = performance.now();
    const deadline = Deadline.after(lockTimeoutMs);
    try {
      const channel = await channelOf(this.#parts.cluster, queues[0], deadline);
      const reply = await channel.invoke(encodeLockBatch(this.#batch(queues)), deadline);
      const locked = new Set(decodeLockedQueues(reply, channel.address).map(queueKey));
      for (const queue of queues) if (locked.has(queueKey(queue))) this.#granted(queue, askedMs);
      return locked;
    } catch (error) {
      const { group, log } = this.#parts;
      log.warn({ err: error, group, broker: queues[0].brokerName }, 'queues could not be locked');
      return undefined;
    }
  }

  #granted(queue: MessageQueue, askedMs: number): void {
    const { renewAgeMs, beliefMs, checkIntervalMs } = this.#options;
    if (this.#locks.size === 0) this.#timer = setInterval(() => this.#check(), checkIntervalMs).unref();
    const lock = { queue, believedUntilMs: askedMs + beliefMs, renewalDueMs: askedMs + renewAgeMs };
    this.#locks.set(queueKey(queue), lock);
  }

  #check(): void {
    const nowMs = performance.now();
    const locks = [...this.#locks.values()];
    for (const { queue, believedUntilMs } of locks) if (believedUntilMs <= nowMs) this.#lose(queue);
    const due = locks.filter((lock) => lock.renewalDueMs <= nowMs && lock.believedUntilMs > nowMs);
    for (const lock of due) lock.renewalDueMs = nowMs + this.#options.retryDelayMs;
    for (const batch of byBroker(due.map(({ queue }) => queue))) void this.#renew(batch);
  }

  async #renew(queues: Batch): Promise<void> {
    const before = queues.map((queue) => this.#locks.get(queueKey(queue)));
    const locked = await this.#lockBatch(queues);
    if (locked === undefined) return;
    queues.forEach((queue, index) => {
      const key = queueKey(queue);
      // What was unlocked meanwhile, and maybe locked anew, has nothing to do with this answer.
      if (!locked.has(key) && this.#locks.get(key) === before[index]) this.#lose(queue);
    });
  }

  #lose(queue: MessageQueue): void {
    if (!this.#locks.delete(queueKey(queue))) return;
    if (this.#locks.size === 0) clearInterval(this.#timer);
    this.#parts.onLost(queue);
  }

  async #unlockBatch(queues: Batch): Promise<void> {
    const deadline = Deadline.after(lockTimeoutMs);
    try {
      const channel = await channelOf(this.#parts.cluster, queues[0], deadline);
      const reply = await channel.invoke(encodeUnlockBatch(this.#batch(queues)), deadline);
      unlockBatch.decodeReply(reply, channel.address);
    } catch (error) {
      const { group, log } = this.#parts;
      log.warn({ err: error, group, broker: queues[0].brokerName }, 'queues could not be unlocked');
    }
  }

  #batch(queues: readonly MessageQueue[]): QueueBatch {
    const { cluster, group } = this.#parts;
    return { consumerGroup: group, clientId: cluster.clientId, queues };
  }
}

function byBroker(queues: readonly MessageQueue[]): Batch[] {
  const batches = new Map<string, [MessageQueue, ...MessageQueue[]]>();
  for (const queue of queues) {
    const batch = batches.get(queue.brokerName);
    if (batch === undefined) batches.set(queue.brokerName, [queue]);
    else batch.push(queue);
  }
  return [...batches.values()];
}
