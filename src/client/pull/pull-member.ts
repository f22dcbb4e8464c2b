import { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { MessageProperty } from '../../remoting/message.ts';
import type { StoredMessage } from '../../remoting/stored-message.ts';
import { retryTopic } from '../../remoting/topic-names.ts';
import type { ConsumeFrom } from '../consume-from.ts';
import { ClientError } from '../errors.ts';
import { isWanted, type MessageFilter } from '../message-filter.ts';
import { type AllocationStrategy, averageAllocation } from './allocation.ts';
import { Deliveries, type Delivery } from './deliveries.ts';
import type { LocalOffsets, OffsetStore } from './local-offsets.ts';
import type { MemberStream, TopicState } from './member-topics.ts';
import { Offsets } from './offsets.ts';
import type { ArrivedMessage } from './process-queue.ts';
import type { QueueProgress } from './pull-groups.ts';
import type { PullParts } from './pull-options.ts';
import { queueKey } from './pull-requests.ts';
import { QueueReader } from './queue-reader.ts';
import { Rebalancer } from './rebalancer.ts';
import { SendBack } from './send-back.ts';

/** Longest that a queue which is read in order waits for the ack of its message before it is given, in ms. */
const orderedGiveDelayMsMax = 3_000;
/** When a message of the retry topic comes again whose topic nobody reads here, in ms. */
const foreignDelayMs = 30_000;

export interface PullMemberOptions {
  readonly group: string;
  readonly ordered: boolean;
  /** How long brokers hold a pull while there is nothing, in ms. */
  readonly suspendDurationMs: number;
  /** Where the group begins in a queue that is new to it. */
  readonly from: ConsumeFrom;
  /** Who reads which queue. Default: `averageAllocation`. */
  readonly strategy?: AllocationStrategy | undefined;
  /** Redeliveries after which a message is dead. Default: what brokers say of the group. */
  readonly reconsumeTimesMax?: number | undefined;
  /** Makes it a broadcast: the place in each queue is kept there, and no queue is shared. */
  readonly local?: LocalOffsets | undefined;
}

/**
 * This client as a member of one consumer group that receives by pull: it has queues only while somebody reads, and all consumers of
 * the group here share them.
 */
export class PullMember {
  readonly deliveries: Deliveries;
  readonly #parts: PullParts;
  readonly #options: PullMemberOptions;
  readonly #offsets: OffsetStore;
  readonly #retryTopic: string;
  readonly #topics = new Map<string, TopicState>();
  readonly #readers = new Map<string, QueueReader>();
  /** Those that may have messages of a topic. */
  readonly #readersByTopic = new Map<string, readonly QueueReader[]>();
  #rebalancer: Rebalancer | undefined;
  #persistTimer: NodeJS.Timeout | undefined;
  /** What is stored now of the progress; never fails. */
  #persisting: Promise<void> = Promise.resolve();
  /** Beginnings and ends of streams, one after the other; never fails. */
  #changing: Promise<void> = Promise.resolve();
  #turn = 0;

  constructor(parts: PullParts, options: PullMemberOptions) {
    const { group, ordered, from, local, reconsumeTimesMax } = options;
    this.#parts = parts;
    this.#options = options;
    this.#retryTopic = retryTopic(group);
    this.#offsets = local ?? new Offsets(parts.cluster, group, from);
    const sendBack = new SendBack(parts, group, reconsumeTimesMax);
    const onChange = (reader: QueueReader): void => this.#changed(reader);
    const broadcast = this.isBroadcast;
    this.deliveries = new Deliveries(parts, { group, ordered, broadcast, sendBack, onChange });
  }

  /** Whether every member of the group gets everything. */
  get isBroadcast(): boolean {
    return this.#options.local !== undefined;
  }

  /** Makes sure of where a broadcast begins in these queues, so that it gets what is sent from now on. @throws as a request fails. */
  async fixStart(queues: readonly MessageQueue[], deadline: Deadline): Promise<void> {
    const fix = async (queue: MessageQueue): Promise<void> =>
      this.#offsets.store(queue, await this.#offsets.first(queue, deadline), deadline);
    await Promise.all(queues.map(fix));
  }

  /** Consumers that are open. */
  get consumerCount(): number {
    return [...this.#topics.values()].reduce((count, { consumerCount }) => count + consumerCount, 0);
  }

  /**
   * A consumer of a topic, until the returned function is called.
   * @throws ClientError `invalid` when it differs from what the group does here already: all of its members must do the same.
   */
  join(topic: string, filter: MessageFilter, ordered: boolean): () => void {
    const { group } = this.#options;
    if (ordered !== this.#options.ordered) {
      const way = ordered ? 'not in order' : 'in order';
      throw new ClientError('invalid', `consumer group ${group} receives ${way} here already; use another group`);
    }
    const known = this.#topics.get(topic);
    if (known !== undefined && (known.filter.expression !== filter.expression || known.filter.type !== filter.type)) {
      throw new ClientError(
        'invalid',
        `consumer group ${group} receives topic ${topic} here with the filter ${known.filter.expression} already, and by pull a group ` +
          `has one filter for a topic; use that one, or another group for ${filter.expression}`,
      );
    }
    const state = known ?? newTopicState(topic, filter);
    state.consumerCount += 1;
    this.#topics.set(topic, state);
    return () => {
      state.consumerCount -= 1;
      if (state.consumerCount === 0 && this.#topics.get(topic) === state) this.#topics.delete(topic);
    };
  }

  /** The stream gets messages from now on. */
  start(stream: MemberStream): void {
    const state = this.#topics.get(stream.topic);
    if (state === undefined) return;
    state.refusal = undefined;
    state.streams.add(stream);
    void this.#change(async () => this.#subscribe(state));
  }

  /** Gives back what the stream has in flight; after the last stream of a topic also its queues. Never fails. */
  async end(stream: MemberStream): Promise<void> {
    const state = this.#topics.get(stream.topic);
    state?.streams.delete(stream);
    await this.deliveries.giveBackAll(stream);
    if (state !== undefined) await this.#change(async () => this.#unsubscribe(state));
  }

  /** The next message for a stream, if there is one now; its reader is to be woken. */
  take(stream: MemberStream): Delivery | undefined {
    const readers = this.#readersOf(stream.topic);
    const nowMs = performance.now();
    for (let count = 0; count < readers.length; count += 1) {
      this.#turn = (this.#turn + 1) % readers.length;
      const reader = readers[this.#turn];
      const messages = reader?.messages;
      const message = messages?.take(stream.topic, nowMs);
      if (reader === undefined || messages === undefined || message === undefined) continue;
      this.#rankLast(stream);
      return this.deliveries.add({ message, reader, messages }, stream, stream.durationMs);
    }
    return undefined;
  }

  /** Where several streams wait, the next message goes to another one. */
  #rankLast(stream: MemberStream): void {
    const streams = this.#topics.get(stream.topic)?.streams;
    if (streams !== undefined && streams.size > 1 && streams.delete(stream)) streams.add(stream);
  }

  /** A stream waits for a message of the topic. */
  wake(topic: string): void {
    for (const reader of this.#readersOf(topic)) reader.wake();
  }

  refusalOf(topic: string): unknown {
    return this.#topics.get(topic)?.refusal;
  }

  /** Resolves when the ends of streams until now are done with. */
  async settled(): Promise<void> {
    await this.#changing;
  }

  #change(work: () => Promise<void>): Promise<void> {
    const { group } = this.#options;
    this.#changing = this.#changing.then(work).catch((error: unknown) => {
      this.#parts.log.error({ err: error, group }, 'queues could not be taken or given');
    });
    return this.#changing;
  }

  async #subscribe(state: TopicState): Promise<void> {
    const { topic, filter, version } = state;
    if (state.isSubscribed || state.streams.size === 0) return;
    state.isSubscribed = true;
    const rebalancer = this.#rebalancer ?? this.#begin();
    rebalancer.subscribe({ topic, expression: filter.expression, expressionType: filter.type, version });
    await rebalancer.rebalance();
  }

  async #unsubscribe(state: TopicState): Promise<void> {
    if (!state.isSubscribed || state.streams.size > 0) return;
    state.isSubscribed = false;
    if ([...this.#topics.values()].some(({ isSubscribed }) => isSubscribed)) {
      await this.#rebalancer?.unsubscribe(state.topic);
      for (const reader of this.#readers.values()) this.#postponeForeign(reader);
    } else await this.#finish();
  }

  #begin(): Rebalancer {
    const { cluster, log, persistIntervalMs } = this.#parts;
    const { group, ordered, from, strategy = averageAllocation } = this.#options;
    const rebalancer = new Rebalancer(cluster, log, {
      group,
      messageModel: this.isBroadcast ? 'BROADCASTING' : 'CLUSTERING',
      consumeType: 'CONSUME_PASSIVELY',
      consumeFromWhere: consumeFromWheres[from.kind],
      orderly: ordered,
      strategy,
      onTaken: (queue) => this.#onTaken(queue),
      onGiven: (queue) => this.#onGiven(queue),
      onRefused: (topic, error) => this.#refuse({ topic }, error),
      onReset: (offsets) => this.#onReset(offsets),
      progressOf: (queue) => this.#progressOf(queue),
    });
    this.#rebalancer = rebalancer;
    this.#persistTimer = setInterval(() => this.#persist(), persistIntervalMs).unref();
    return rebalancer;
  }

  async #finish(): Promise<void> {
    clearInterval(this.#persistTimer);
    const rebalancer = this.#rebalancer;
    this.#rebalancer = undefined;
    await rebalancer?.close();
  }

  #onTaken(queue: MessageQueue): void {
    const { group, ordered, suspendDurationMs } = this.#options;
    const state = this.#topics.get(queue.topic);
    const isRetry = queue.topic === this.#retryTopic;
    const reader = new QueueReader(this.#parts, {
      group,
      queue,
      ordered,
      suspendDurationMs,
      offsets: this.#offsets,
      subscription: {
        expression: state?.filter.expression ?? '*',
        expressionType: state?.filter.type ?? 'TAG',
        version: state?.version ?? Date.now(),
      },
      isWanted: () => this.#hasRoom(isRetry ? undefined : queue.topic),
      select: (messages) => this.#select(queue, messages),
      onChange: () => this.#changed(reader),
      onMoved: () => this.deliveries.lose(reader),
      onRefused: (error) => this.#refuse(queue, error),
    });
    this.#readers.set(queueKey(queue), reader);
    this.#readersByTopic.clear();
    reader.wake();
  }

  async #onGiven(queue: MessageQueue): Promise<void> {
    const reader = this.#readers.get(queueKey(queue));
    if (reader === undefined) return;
    this.#readers.delete(queueKey(queue));
    this.#readersByTopic.clear();
    await reader.stop();
    // Nobody else gets the queue before it is unlocked, so that there is time for an ack.
    if (this.#options.ordered) await this.deliveries.settled(reader, orderedGiveDelayMsMax);
    await this.deliveries.returned(reader);
    this.deliveries.lose(reader);
    await this.#persisting;
    await this.#store(reader);
    this.#offsets.forget(queue);
  }

  async #onReset(offsets: ReadonlyMap<MessageQueue, bigint>): Promise<void> {
    for (const [queue, offset] of offsets) {
      this.#readers.get(queueKey(queue))?.moveTo(offset);
      await this.#offsets.move(queue, offset, Deadline.after(this.#parts.requestTimeoutMs));
    }
  }

  #progressOf(queue: MessageQueue): QueueProgress | undefined {
    const reader = this.#readers.get(queueKey(queue));
    const messages = reader?.messages;
    if (reader === undefined || messages === undefined) return undefined;
    const { committedOffset, count, bytes, firstOffset, lastOffset } = messages;
    return {
      commitOffset: committedOffset,
      cachedCount: count,
      cachedBytes: bytes,
      cachedMinOffset: firstOffset ?? 0n,
      cachedMaxOffset: firstOffset === undefined ? 0n : lastOffset,
      lastPullTimestampMs: reader.lastPullTimestampMs,
      lastConsumeTimestampMs: reader.lastPullTimestampMs,
    };
  }

  /** The messages of a pull that somebody of the group wants. Brokers compare hashes of tags only. */
  #select({ topic }: MessageQueue, messages: readonly StoredMessage[]): readonly ArrivedMessage[] {
    const isRetry = topic === this.#retryTopic;
    const arrived: ArrivedMessage[] = [];
    for (const stored of messages) {
      const own = isRetry ? (stored.properties.get(MessageProperty.RETRY_TOPIC) ?? topic) : topic;
      const filter = this.#topics.get(own)?.filter;
      if (filter === undefined || isWanted(filter, stored)) arrived.push({ stored, topic: own });
    }
    return arrived;
  }

  #changed(reader: QueueReader): void {
    this.#postponeForeign(reader);
    reader.wake();
    const { topic } = reader.queue;
    if (topic !== this.#retryTopic) this.#ring(topic);
    else for (const own of this.#topics.keys()) this.#ring(own);
  }

  /** Nothing of a topic that nobody reads here may wait here for ever. */
  #postponeForeign(reader: QueueReader): void {
    const { group } = this.#options;
    const { messages, queue } = reader;
    if (messages === undefined || queue.topic !== this.#retryTopic) return;
    for (const topic of messages.freshTopics) {
      if (this.#topics.get(topic)?.isSubscribed === true) continue;
      const foreign = messages.takeAllFresh(topic);
      this.#parts.log.warn(
        { group, topic, messageCount: foreign.length },
        'messages came again of a topic that the group does not read here; they are sent back for another member',
      );
      for (const message of foreign) this.deliveries.postpone({ message, messages, reader }, foreignDelayMs);
    }
  }

  #refuse({ topic }: Pick<MessageQueue, 'topic'>, error: Error): void {
    for (const state of this.#topics.values()) {
      if (topic !== state.topic && topic !== this.#retryTopic) continue;
      state.refusal = error;
      this.#ring(state.topic);
    }
  }

  #ring(topic: string): void {
    for (const stream of this.#topics.get(topic)?.streams ?? []) stream.ring();
  }

  /** Whether a stream of the topic, or of any topic, would take more. */
  #hasRoom(topic: string | undefined): boolean {
    if (topic === undefined) return [...this.#topics.keys()].some((own) => this.#hasRoom(own));
    for (const { hasRoom } of this.#topics.get(topic)?.streams ?? []) if (hasRoom) return true;
    return false;
  }

  /** Those that may have messages of the topic. */
  #readersOf(topic: string): readonly QueueReader[] {
    const known = this.#readersByTopic.get(topic);
    if (known !== undefined) return known;
    const readers = [...this.#readers.values()].filter(
      ({ queue }) => queue.topic === topic || queue.topic === this.#retryTopic,
    );
    this.#readersByTopic.set(topic, readers);
    return readers;
  }

  #persist(): void {
    const store = async (): Promise<void> => {
      await Promise.all(Array.from(this.#readers.values(), (reader) => this.#store(reader)));
    };
    this.#persisting = this.#persisting.then(store);
  }

  /** Never fails. */
  async #store({ queue, messages }: QueueReader): Promise<void> {
    const { group } = this.#options;
    if (messages === undefined) return;
    try {
      await this.#offsets.store(queue, messages.committedOffset, Deadline.after(this.#parts.requestTimeoutMs));
      await this.#options.local?.save();
    } catch (error) {
      this.#parts.log.warn({ err: error, ...queue, group }, 'the progress of a group could not be stored');
    }
  }
}

const consumeFromWheres = {
  first: 'CONSUME_FROM_FIRST_OFFSET',
  last: 'CONSUME_FROM_LAST_OFFSET',
  timestamp: 'CONSUME_FROM_TIMESTAMP',
} as const;

function newTopicState(topic: string, filter: MessageFilter): TopicState {
  return {
    topic,
    filter,
    version: Date.now(),
    streams: new Set(),
    consumerCount: 0,
    refusal: undefined,
    isSubscribed: false,
  };
}
