import type { MessageQueue } from '../../remoting/message.ts';
import type { ConsumeFromWhere, ConsumeType, MessageModel, Subscription } from '../../remoting/requests/heartbeat.ts';
import type { Cluster } from '../cluster.ts';
import type { ClientLog } from '../options.ts';
import type { AllocationStrategy } from './allocation.ts';

/** How far a member has got in one queue that it has, as operators' tools show it. */
export interface QueueProgress {
  /** What is committed. */
  readonly commitOffset: bigint;
  /** Messages that were pulled and are not done. */
  readonly cachedCount: number;
  readonly cachedBytes: number;
  /** First and last of them; 0 where there are none. */
  readonly cachedMinOffset: bigint;
  readonly cachedMaxOffset: bigint;
  /** In ms since 1970; 0: never. */
  readonly lastPullTimestampMs: number;
  readonly lastConsumeTimestampMs: number;
}

export interface RebalancerOptions {
  readonly group: string;
  readonly messageModel: MessageModel;
  readonly consumeType: ConsumeType;
  readonly consumeFromWhere: ConsumeFromWhere;
  /** Queues are locked at their broker before they are taken, and the lock is renewed (orderly consumption). */
  readonly orderly: boolean;
  /** Usually `averageAllocation`. */
  readonly strategy: AllocationStrategy;
  /** A queue is this member's now. */
  readonly onTaken: (queue: MessageQueue) => void;
  /**
   * It is not any more, or its lock is lost: resolves when nothing reads it and its offset is stored; only then it is unlocked, and may be
   * taken again. It must end in time: the queue is nobody's until then.
   */
  readonly onGiven: (queue: MessageQueue) => Promise<void>;
  /**
   * An operator moved the group (brokers 4.x tell each member; with newer ones the next pull says so): these queues, all of which this
   * member has, go on from these offsets, and nothing behind them that was pulled before counts. Without it they are ignored.
   */
  readonly onReset?: (offsets: ReadonlyMap<MessageQueue, bigint>) => Promise<void>;
  /** Tells operators' tools how far it is with a queue that it has. */
  readonly progressOf?: (queue: MessageQueue) => QueueProgress | undefined;
}

/** Shares the queues of all topics that a group reads with the other members of the group. One for each client and group that receives by pull. */
export class Rebalancer {
  readonly #cluster: Cluster;
  readonly #log: ClientLog;
  readonly #options: RebalancerOptions;

  constructor(cluster: Cluster, log: ClientLog, options: RebalancerOptions) {
    this.#cluster = cluster;
    this.#log = log;
    this.#options = options;
  }

  /** The queues that are this member's now. */
  get queues(): readonly MessageQueue[] {
    return [];
  }

  /** Reads a topic from now on; a second time for one topic replaces its expression. In clustering mode the group's retry topic comes along. */
  subscribe(subscription: Subscription): void {
    void subscription;
  }

  /** Reads a topic no more; resolves when its queues are given. */
  async unsubscribe(topic: string): Promise<void> {
    void topic;
  }

  /** Shares out anew now; resolves when what changed is taken, and its giving has begun. Never fails: what could not be asked stays as it is. */
  async rebalance(): Promise<void> {
    void this.#cluster;
    void this.#log;
    void this.#options;
  }

  /** Drops one queue, for example because its offset was moved, and shares out at once: it may be taken again right away. */
  async give(queue: MessageQueue): Promise<void> {
    void queue;
  }

  /** Gives all queues, unlocks them, and leaves the group at the brokers, so that the others are told at once. */
  async close(): Promise<void> {}
}
