import { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import type { MessageModel } from '../../remoting/requests/heartbeat.ts';
import { Bell } from '../bell.ts';
import { readQueuesOf } from '../cluster/route.ts';
import type { ConsumeFrom } from '../consume-from.ts';
import { ClientError } from '../errors.ts';
import type { MessageFilter } from '../message-filter.ts';
import type { PullReceipt } from '../receipt.ts';
import { type ReceivedMessage, toReceivedMessage } from '../received-message.ts';
import { knownOffset, startOffset } from '../start-offsets.ts';
import type { AllocationStrategy } from './allocation.ts';
import { LitePullQueue } from './lite-pull-queue.ts';
import { LocalOffsets, type OffsetStore } from './local-offsets.ts';
import { Offsets } from './offsets.ts';
import type { PulledMessage } from './process-queue.ts';
import type { PullParts } from './pull-options.ts';
import { channelOf, queueKey } from './pull-requests.ts';
import { Rebalancer } from './rebalancer.ts';

export interface LitePullOptions {
  readonly group: string;
  /** BROADCASTING: every member gets everything, and keeps its offsets itself. */
  readonly messageModel: MessageModel;
  /** Where to begin in a queue in which the group has no place. */
  readonly from: ConsumeFrom;
  readonly strategy: AllocationStrategy;
  /** Whether what earlier polls brought is stored as done from time to time, and at the end. */
  readonly autoCommit: boolean;
  /** How long brokers hold a pull while there is nothing, in ms. */
  readonly suspendDurationMs: number;
  /** Where a broadcast keeps its offsets, and as whom. Default: in memory only. */
  readonly localOffsets?: { readonly directory: string; readonly clientId: string };
}

/** What official clients have by default (`DefaultLitePullConsumer.brokerSuspendMaxTimeMillis`). */
export const litePullSuspendDurationMs = 20_000;

/** A topic is shared with the group, or queues are chosen: never both. */
type Mode = 'none' | 'subscribed' | 'assigned';

/**
 * Receives by pull where the application says when: it polls, and decides what is stored as done. What a poll brought counts as done when
 * the next poll begins, or with `commit`; a member that dies before has it come again.
 */
export class LitePullConsumer {
  readonly #parts: PullParts;
  readonly #options: LitePullOptions;
  readonly #offsets: OffsetStore;
  readonly #local: LocalOffsets | undefined;
  readonly #onClosed: () => void;
  readonly #rebalancer: Rebalancer;
  readonly #filters = new Map<string, { readonly filter: MessageFilter; readonly version: number }>();
  readonly #queues = new Map<string, LitePullQueue>();
  readonly #bell = new Bell();
  readonly #commitTimer: NodeJS.Timeout | undefined;
  #mode: Mode = 'none';
  #refusal: unknown;
  #isPolling = false;
  #turn = 0;
  #closed: Promise<void> | undefined;

  private constructor(
    parts: PullParts,
    options: LitePullOptions,
    local: LocalOffsets | undefined,
    onClosed: () => void,
  ) {
    const { group, messageModel, strategy, autoCommit, from } = options;
    this.#parts = parts;
    this.#options = options;
    this.#onClosed = onClosed;
    this.#local = local;
    this.#offsets = local ?? new Offsets(parts.cluster, group, from);
    this.#rebalancer = new Rebalancer(parts.cluster, parts.log, {
      group,
      messageModel,
      consumeType: 'CONSUME_ACTIVELY',
      consumeFromWhere: from.kind === 'first' ? 'CONSUME_FROM_FIRST_OFFSET' : 'CONSUME_FROM_LAST_OFFSET',
      orderly: false,
      strategy,
      onTaken: (queue) => this.#add(queue),
      onGiven: (queue) => this.#remove(queue),
      onReset: (offsets) => this.#moveAll(offsets),
    });
    if (autoCommit) {
      this.#commitTimer = setInterval(() => void this.#tryToCommit(), parts.persistIntervalMs).unref();
    }
  }

  /** @throws ClientError `invalid` when the offsets of a broadcast cannot be read. */
  static async open(
    parts: PullParts,
    options: LitePullOptions,
    onClosed: () => void = () => {},
  ): Promise<LitePullConsumer> {
    const { group, from, messageModel, localOffsets } = options;
    if (messageModel === 'CLUSTERING') return new LitePullConsumer(parts, options, undefined, onClosed);
    const { directory, clientId } = localOffsets ?? { directory: undefined, clientId: parts.cluster.clientId };
    const local = await LocalOffsets.open({ cluster: parts.cluster, group, from, directory, clientId });
    return new LitePullConsumer(parts, options, local, onClosed);
  }

  /** The queues that are read now, also those that are paused. */
  get queues(): readonly MessageQueue[] {
    return Array.from(this.#queues.values(), ({ queue }) => queue);
  }

  /**
   * Reads the queues of a topic that the group gives this member. Resolves when they are shared out for the first time, or that failed.
   * @throws ClientError `invalid` after `assign`, or where the group receives by pull in this client already; `closed`.
   */
  async subscribe(topic: string, filter: MessageFilter): Promise<void> {
    this.#enter('subscribed');
    const version = Date.now();
    this.#filters.set(topic, { filter, version });
    this.#rebalancer.subscribe({ topic, expression: filter.expression, expressionType: filter.type, version });
    await this.#rebalancer.rebalance();
  }

  /** Reads a topic no more. */
  async unsubscribe(topic: string): Promise<void> {
    await this.#rebalancer.unsubscribe(topic);
    this.#filters.delete(topic);
  }

  /**
   * Reads exactly these queues, whoever else does; those that were read before and are not named any more are given up.
   * @throws ClientError `invalid` after `subscribe`; `closed`.
   */
  async assign(queues: readonly MessageQueue[], filter: MessageFilter): Promise<void> {
    this.#enter('assigned');
    const keys = new Set(queues.map(queueKey));
    await Promise.all(this.queues.filter((queue) => !keys.has(queueKey(queue))).map((queue) => this.#remove(queue)));
    for (const queue of queues) {
      this.#filters.set(queue.topic, { filter, version: Date.now() });
      if (!this.#queues.has(queueKey(queue))) this.#add(queue);
    }
  }

  /** All queues of a topic. @throws ClientError `noRoute`; RemotingError. */
  async queuesOf(topic: string, deadline: Deadline): Promise<readonly MessageQueue[]> {
    const route = await this.#parts.cluster.routes.find(topic, deadline);
    if (route === undefined) throw new ClientError('noRoute', `topic ${topic} does not exist`);
    return readQueuesOf(route);
  }

  /**
   * The next messages, at least one where there is one before the deadline; none otherwise. What the poll before brought is done now.
   * A receipt says in which queue and at which offset a message lies; there is nothing to acknowledge.
   * @param countMax at least 1.
   * @throws ClientError `denied`, or ResponseError, when the brokers refuse the group, the topic or the filter; RemotingError `cancelled`; ClientError
   * `closed`, `invalid` while another poll is under way.
   */
  async poll(countMax: number, deadline: Deadline): Promise<readonly ReceivedMessage<PullReceipt>[]> {
    this.#checkOpen();
    if (this.#isPolling) throw new ClientError('invalid', 'a poll is under way already; wait for it');
    this.#isPolling = true;
    try {
      for (const queue of this.#queues.values()) queue.settle();
      for (;;) {
        const messages = await this.#takeReadable(countMax);
        if (messages.length > 0 || !(await this.#waited(deadline))) return messages;
      }
    } finally {
      this.#isPolling = false;
    }
  }

  /**
   * Goes on from an offset, or from the beginning, the end or a time of the queue. Messages of the last poll do not count as done.
   * @throws ClientError `invalid` for a queue that is not read here, RemotingError, ResponseError.
   */
  async seek(queue: MessageQueue, to: bigint | ConsumeFrom, deadline: Deadline): Promise<void> {
    const own = this.#own(queue);
    const offset = typeof to === 'bigint' ? to : await this.offsetOf(queue, to, deadline);
    await own.seek(offset);
  }

  /** Takes nothing of these queues until `resume`; what was pulled before waits. @throws ClientError `invalid`. */
  pause(queues: readonly MessageQueue[]): void {
    for (const queue of queues) this.#own(queue).pause();
  }

  /** @throws ClientError `invalid`. */
  resume(queues: readonly MessageQueue[]): void {
    for (const queue of queues) this.#own(queue).resume();
    this.#bell.ring();
  }

  /** Stores all that polls brought until now as done. @throws the first failure, when all queues have been tried. */
  async commit(deadline: Deadline): Promise<void> {
    this.#checkOpen();
    for (const queue of this.#queues.values()) queue.settle();
    await this.#commitAll(deadline);
  }

  /** The offset of a place in any queue, whoever reads it. @throws as a request fails. */
  async offsetOf({ topic, brokerName, queueId }: MessageQueue, from: ConsumeFrom, deadline: Deadline): Promise<bigint> {
    const channel = await channelOf(this.#parts.cluster, { topic, brokerName, queueId }, deadline);
    return startOffset({ consumerGroup: this.#options.group, topic, queueId }, channel, deadline, from);
  }

  /** What is stored as done in a queue, by whichever member; undefined where nothing is. @throws as a request fails. */
  async committed(queue: MessageQueue, deadline: Deadline): Promise<bigint | undefined> {
    if (this.#local !== undefined) return this.#local.known(queue);
    const { group, from } = this.#options;
    const channel = await channelOf(this.#parts.cluster, queue, deadline);
    const { topic, queueId } = queue;
    return knownOffset({ consumerGroup: group, topic, queueId }, channel, deadline, from);
  }

  /** Gives up all queues and leaves the group; what the last poll brought is done only if `commit` said so. Never fails. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#commitTimer);
    this.#bell.ring();
    await this.#rebalancer.close();
    await Promise.all(this.queues.map((queue) => this.#remove(queue)));
    if (this.#options.autoCommit) await this.#tryToCommit([]);
    this.#onClosed();
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new ClientError('closed', 'the consumer has been closed');
  }

  #enter(mode: Mode): void {
    this.#checkOpen();
    if (this.#mode !== 'none' && this.#mode !== mode) {
      throw new ClientError(
        'invalid',
        'a consumer either subscribes to topics or is assigned queues; make another one',
      );
    }
    this.#mode = mode;
    this.#refusal = undefined;
  }

  #own(queue: MessageQueue): LitePullQueue {
    const own = this.#queues.get(queueKey(queue));
    if (own !== undefined) return own;
    const { topic, brokerName, queueId } = queue;
    throw new ClientError('invalid', `queue ${queueId} of topic ${topic} at ${brokerName} is not read here now`);
  }

  #add(queue: MessageQueue): void {
    const subscribed = this.#filters.get(queue.topic);
    if (subscribed === undefined) return;
    const { group, suspendDurationMs } = this.#options;
    const added = new LitePullQueue(this.#parts, {
      ...subscribed,
      group,
      queue,
      suspendDurationMs,
      offsets: this.#offsets,
      onChange: () => this.#bell.ring(),
      onRefused: (error) => {
        this.#refusal = error;
        this.#bell.ring();
      },
    });
    this.#queues.set(queueKey(queue), added);
  }

  /** Never fails. */
  async #remove(queue: MessageQueue): Promise<void> {
    const removed = this.#queues.get(queueKey(queue));
    if (removed === undefined) return;
    this.#queues.delete(queueKey(queue));
    await removed.stop();
    if (this.#options.autoCommit) await this.#tryToCommit([removed]);
    this.#offsets.forget(queue);
  }

  async #moveAll(offsets: ReadonlyMap<MessageQueue, bigint>): Promise<void> {
    const deadline = Deadline.after(this.#parts.requestTimeoutMs);
    const moves = Array.from(offsets, async ([queue, offset]) => {
      await this.#queues.get(queueKey(queue))?.seek(offset);
      await this.#offsets.move(queue, offset, deadline);
    });
    await Promise.all(moves);
  }

  /** Of each queue in turn. */
  #take(countMax: number): readonly [MessageQueue, PulledMessage][] {
    const queues = [...this.#queues.values()];
    const taken: [MessageQueue, PulledMessage][] = [];
    this.#turn += 1;
    for (let index = 0; index < queues.length && taken.length < countMax; index += 1) {
      const queue = queues[(this.#turn + index) % queues.length];
      for (const message of queue?.take(countMax - taken.length) ?? []) if (queue) taken.push([queue.queue, message]);
    }
    return taken;
  }

  async #takeReadable(countMax: number): Promise<readonly ReceivedMessage<PullReceipt>[]> {
    const messages = await Promise.all(this.#take(countMax).map(([queue, message]) => this.#read(queue, message)));
    return messages.filter((message) => message !== undefined);
  }

  /** Undefined, with a word in the log, for a message that cannot be read. */
  async #read(queue: MessageQueue, { stored }: PulledMessage): Promise<ReceivedMessage<PullReceipt> | undefined> {
    const { topic, brokerName, queueId } = queue;
    const { queueOffset, reconsumeTimes } = stored;
    const receipt = { clientMark: 'poll', deliveryNumber: 0, brokerName, queueTopic: topic, queueId, queueOffset };
    try {
      return await toReceivedMessage(stored, { topic, reconsumeTimes, receipt }, this.#parts.bodyBytesMax);
    } catch (error) {
      const fields = { err: error, ...queue, queueOffset: String(queueOffset), group: this.#options.group };
      this.#parts.log.error(fields, 'a message cannot be read, and is left out');
      return undefined;
    }
  }

  /** Until there may be a message; false when the deadline came first. */
  async #waited(deadline: Deadline): Promise<boolean> {
    if (this.#refusal !== undefined) throw this.#refusal;
    const stop = deadline.watch(() => this.#bell.ring());
    await this.#bell.heard();
    stop();
    this.#checkOpen();
    if (deadline.signal?.aborted === true) deadline.check('a poll');
    return deadline.remainingMs() > 0;
  }

  async #commitAll(deadline: Deadline, queues: readonly LitePullQueue[] = [...this.#queues.values()]): Promise<void> {
    const results = await Promise.allSettled(queues.map((queue) => queue.commit(deadline)));
    await this.#local?.save();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Never fails. */
  async #tryToCommit(queues?: readonly LitePullQueue[]): Promise<void> {
    try {
      await this.#commitAll(Deadline.after(this.#parts.requestTimeoutMs), queues);
    } catch (error) {
      this.#parts.log.warn({ err: error, group: this.#options.group }, 'the progress of a group could not be stored');
    }
  }
}
