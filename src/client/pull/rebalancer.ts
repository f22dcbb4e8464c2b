import { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import type { ConsumeFromWhere, ConsumeType, MessageModel, Subscription } from '../../remoting/requests/heartbeat.ts';
import { retryTopic } from '../../remoting/topic-names.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Route } from '../cluster/route.ts';
import { ClientError, isDenied } from '../errors.ts';
import type { ClientLog } from '../options.ts';
import type { AllocationStrategy } from './allocation.ts';
import { type AssignmentParts, assignedQueues } from './assignment.ts';
import type { PullGroup, QueueProgress } from './pull-groups.ts';
import { queueKey } from './pull-requests.ts';
import { QueueLocks, type QueueLocksOptions } from './queue-locks.ts';
import { Rounds, type RoundsOptions } from './rounds.ts';

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
  /** The broker refuses this client the group or the topic; tried again all the same. */
  readonly onRefused?: (topic: string, error: ClientError) => void;
  /**
   * An operator moved the group (brokers 4.x tell each member; with newer ones the next pull says so): these queues, all of which this
   * member has, go on from these offsets, and nothing behind them that was pulled before counts. Without it they are ignored.
   */
  readonly onReset?: (offsets: ReadonlyMap<MessageQueue, bigint>) => Promise<void>;
  /** Tells operators' tools how far it is with a queue that it has. */
  readonly progressOf?: (queue: MessageQueue) => QueueProgress | undefined;
  /** When to share out anew. Default: `roundsDefaults`. */
  readonly rounds?: RoundsOptions;
  /** When to renew locks. Default: `queueLocksDefaults`. */
  readonly locks?: QueueLocksOptions;
}

/** Longest time for one topic to be shared out, in ms. */
const roundTimeoutMs = 15_000;

/** When to ask again, in ms, where brokers could not tell who is in the group, or somebody else still has a lock. */
const retryDelayMs = 1_000;
/** When to ask again for a topic that does not exist, in ms. */
const missingTopicDelayMs = 3_000;

interface ReadTopic {
  readonly leave: () => boolean;
  /** The queue counts that it was shared out by. */
  counts: string | undefined;
  /** Whether the last try failed. */
  isFailing: boolean;
}

/** Shares the queues of all topics that a group reads with the other members of the group. One for each client and group that receives by pull. */
export class Rebalancer implements PullGroup {
  readonly startTimestampMs = Date.now();
  readonly #cluster: Cluster;
  readonly #log: ClientLog;
  readonly #options: RebalancerOptions;
  readonly #assignment: AssignmentParts;
  readonly #rounds: Rounds;
  readonly #locks: QueueLocks;
  readonly #topics = new Map<string, ReadTopic>();
  readonly #taken = new Map<string, MessageQueue>();
  readonly #giving = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #forget: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(cluster: Cluster, log: ClientLog, options: RebalancerOptions) {
    const { group, messageModel, strategy } = options;
    this.#cluster = cluster;
    this.#log = log;
    this.#options = options;
    this.#assignment = { cluster, log, group, messageModel, strategy };
    this.#rounds = new Rounds(() => this.#round(), options.rounds);
    this.#locks = new QueueLocks({ cluster, log, group, onLost: (queue) => this.#lockLost(queue) }, options.locks);
  }

  get group(): string {
    return this.#options.group;
  }

  get orderly(): boolean {
    return this.#options.orderly;
  }

  get progress(): ReadonlyMap<MessageQueue, QueueProgress | undefined> {
    return new Map(this.queues.map((queue) => [queue, this.#options.progressOf?.(queue)]));
  }

  /** The queues that are this member's now. */
  get queues(): readonly MessageQueue[] {
    return [...this.#taken.values()];
  }

  /**
   * Reads a topic from now on; a second time for one topic replaces its expression. In clustering mode the group's retry topic comes
   * along, unless its type is CONSUME_ACTIVELY.
   * @throws ClientError `invalid` when the group has a rebalancer in this client that is not closed, also while it is closing; `closed`.
   */
  subscribe(subscription: Subscription): void {
    if (this.#closed !== undefined)
      throw new ClientError('closed', `the member of group ${this.group} has been closed`);
    this.#forget ??= this.#enter();
    const { group, messageModel, consumeType } = this.#options;
    this.#read(subscription);
    const retry = retryTopic(group);
    // Who drives its pulls itself sends nothing back, and official clients of that kind do not read what others send back either.
    const hasRetries = messageModel === 'CLUSTERING' && consumeType !== 'CONSUME_ACTIVELY';
    if (hasRetries && !this.#topics.has(retry)) {
      this.#read({ topic: retry, expression: '*', version: subscription.version });
    }
    void this.#rounds.now();
  }

  /** Reads a topic no more; resolves when its queues are given. */
  async unsubscribe(topic: string): Promise<void> {
    const left = this.#topics.get(topic);
    if (left === undefined) return;
    this.#topics.delete(topic);
    left.leave();
    await Promise.all(this.queues.filter((queue) => queue.topic === topic).map((queue) => this.#give(queue)));
    if (this.#closed === undefined) await this.#cluster.heartbeats.beatAll(this.#cluster.brokers.all);
  }

  /** Shares out anew now; resolves when what changed is taken, and its giving has begun. Never fails: what could not be asked stays as it is. */
  rebalance(): Promise<void> {
    return this.#rounds.now();
  }

  /** Somebody came to the group, or left it: shares out anew, a second after the last time at the earliest. */
  membersChanged(): void {
    this.#rounds.soon();
  }

  async reset(offsets: ReadonlyMap<MessageQueue, bigint>): Promise<void> {
    const own = new Map<MessageQueue, bigint>();
    for (const [queue, offset] of offsets) {
      const taken = this.#taken.get(queueKey(queue));
      if (taken !== undefined) own.set(taken, offset);
    }
    if (own.size === 0) return;
    const { group } = this;
    this.#log.info({ group, queueCount: own.size }, 'an operator moved a consumer group to other offsets');
    try {
      await this.#options.onReset?.(own);
    } catch (error) {
      this.#log.error(
        { err: error, group },
        'a consumer group could not be moved to the offsets that an operator chose',
      );
    }
  }

  /** Gives all queues, unlocks them, and leaves the group at the brokers, so that the others are told at once. Never fails. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#rounds.close(), ...this.queues.map((queue) => this.#give(queue))]);
    await Promise.all(this.#giving.values());
    const { heartbeats, brokers } = this.#cluster;
    const wasLast = [...this.#topics.values()].map(({ leave }) => leave()).at(-1) ?? false;
    this.#topics.clear();
    if (wasLast) await heartbeats.leave(this.group, brokers.all);
    this.#forget?.();
  }

  /** What brokers and name servers say concerns this group from now on, until the returned function is called. */
  #enter(): () => void {
    const forget = this.#cluster.pullGroups.add(this);
    const unwatch = this.#cluster.routes.watch((route) => {
      const topic = this.#topics.get(route.topic);
      // Before the first sharing there is nothing that could have changed.
      if (topic?.counts !== undefined && topic.counts !== countsOf(route)) this.#rounds.soon();
    });
    return () => {
      unwatch();
      forget();
    };
  }

  #read(subscription: Subscription): void {
    const { group, consumeType, messageModel, consumeFromWhere } = this.#options;
    const before = this.#topics.get(subscription.topic);
    const membership = { group, consumeType, messageModel, consumeFromWhere, subscription };
    const leave = this.#cluster.heartbeats.join(membership);
    before?.leave();
    this.#topics.set(subscription.topic, { leave, counts: before?.counts, isFailing: false });
  }

  /** When to come back to it, in ms. */
  async #round(): Promise<number> {
    const delaysMs = await Promise.all([...this.#topics].map(([name, topic]) => this.#shareOut(name, topic)));
    return Math.min(...delaysMs, Number.POSITIVE_INFINITY);
  }

  /** When to come back to it, in ms. */
  async #shareOut(name: string, topic: ReadTopic): Promise<number> {
    const deadline = Deadline.after(roundTimeoutMs, this.#closing.signal);
    try {
      const route = await this.#cluster.routes.find(name, deadline);
      if (route === undefined) return missingTopicDelayMs;
      topic.counts = countsOf(route);
      const assigned = await assignedQueues(this.#assignment, route, deadline);
      topic.isFailing = false;
      if (assigned === undefined) return retryDelayMs;
      return (await this.#change(name, assigned)) ? Number.POSITIVE_INFINITY : retryDelayMs;
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#noteFailure(name, topic, error);
      return retryDelayMs;
    }
  }

  #noteFailure(name: string, topic: ReadTopic, error: unknown): void {
    const fields = { err: error, group: this.group, topic: name };
    if (isDenied(error)) this.#options.onRefused?.(name, error);
    if (topic.isFailing) this.#log.debug(fields, 'the queues of a topic could not be shared out again');
    else this.#log.warn(fields, 'the queues of a topic could not be shared out; trying again until it works');
    topic.isFailing = true;
  }

  /** Gives what is no longer assigned, and takes what is; says whether it has all of that now. */
  async #change(name: string, assigned: readonly MessageQueue[]): Promise<boolean> {
    // The topic may have been left meanwhile.
    if (!this.#isRead(name)) return true;
    const keys = new Set(assigned.map(queueKey));
    for (const queue of this.queues) if (queue.topic === name && !keys.has(queueKey(queue))) void this.#give(queue);
    const missing = assigned.filter((queue) => !this.#taken.has(queueKey(queue)));
    const free = missing.filter((queue) => !this.#giving.has(queueKey(queue)));
    const taken = await this.#take(name, free);
    return taken.length === missing.length;
  }

  async #take(name: string, queues: readonly MessageQueue[]): Promise<readonly MessageQueue[]> {
    const { orderly, messageModel, onTaken } = this.#options;
    const isLocked = orderly && messageModel === 'CLUSTERING';
    const granted = isLocked && queues.length > 0 ? await this.#locks.lock(queues) : queues;
    if (!this.#isRead(name)) {
      await this.#locks.unlock(granted);
      return [];
    }
    for (const queue of granted) {
      this.#taken.set(queueKey(queue), queue);
      try {
        onTaken(queue);
      } catch (error) {
        this.#log.error({ err: error, group: this.group, queue }, 'a queue was taken, and its reader failed to start');
      }
    }
    return granted;
  }

  #isRead(topic: string): boolean {
    return this.#topics.has(topic) && !this.#closing.signal.aborted;
  }

  #lockLost(queue: MessageQueue): void {
    const { group } = this.#options;
    this.#log.warn({ group, queue }, 'the lock of a queue is lost: it is not read here until it is locked again');
    void this.#give(queue).then(() => this.#rounds.soon());
  }

  #give(queue: MessageQueue): Promise<void> {
    const key = queueKey(queue);
    if (!this.#taken.delete(key)) return this.#giving.get(key) ?? Promise.resolve();
    const given = this.#giveTaken(queue).finally(() => this.#giving.delete(key));
    this.#giving.set(key, given);
    return given;
  }

  /** Never fails. */
  async #giveTaken(queue: MessageQueue): Promise<void> {
    try {
      await this.#options.onGiven(queue);
    } catch (error) {
      this.#log.error({ err: error, group: this.group, queue }, 'a queue was given, and its reader failed to end well');
    }
    await this.#locks.unlock([queue]);
  }
}

function countsOf({ readQueueCounts }: Route): string {
  return JSON.stringify([...readQueueCounts].toSorted());
}
