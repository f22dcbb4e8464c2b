import type { Channel } from '../remoting/channel.ts';
import { Deadline } from '../remoting/deadline.ts';
import type { PopReceipt } from '../remoting/pop-receipt.ts';
import { defaultTopic } from '../remoting/topic-names.ts';
import { isVersion5 } from '../remoting/version.ts';
import type { Acks } from './acks.ts';
import type { BrokerClocks } from './broker-clocks.ts';
import type { Cluster } from './cluster.ts';
import { ClientError } from './errors.ts';
import type { GroupSettings } from './group-settings.ts';
import type { InFlightMessage, InFlightMessages } from './in-flight-messages.ts';
import type { ClientLog } from './options.ts';
import { changeInvisible } from './pop-requests.ts';
import { PopStream, type PopStreamOptions } from './pop-stream.ts';
import type { ReceivedMessage } from './received-message.ts';
import type { ReleasedMessages } from './released-messages.ts';
import type { Route } from './route.ts';
import { fixStartOffsets } from './start-offsets.ts';
import type { Subscriber } from './subscriber.ts';
import type { TagFilter } from './tag-filter.ts';

/** Longest time for what a stream leaves behind to be made visible again, in ms; after it the invisible duration does it. */
const releaseTimeoutMs = 5_000;
/** Messages of one stream that are given back side by side. */
const releasesAtOnce = 64;

/** What all consumers of a client share. */
export interface PopParts {
  readonly cluster: Cluster;
  readonly clocks: BrokerClocks;
  readonly acks: Acks;
  readonly groups: GroupSettings;
  readonly released: ReleasedMessages;
  readonly log: ClientLog;
  readonly requestTimeoutMs: number;
  readonly bodyBytesMax: number;
}

export interface PopConsumerOptions {
  readonly subscriber: Subscriber;
  readonly filter: TagFilter;
  /** How long a receiver has for its ack, in ms. */
  readonly invisibleDurationMs: number;
  /** How long in all a live stream keeps a message invisible that is not acknowledged, in ms; 0: no longer than the above. */
  readonly renewalDurationMs: number;
  /** How long brokers hold a request while there is nothing, in ms. They are not woken by retried messages, so 5 s at most. */
  readonly pollDurationMs: number;
}

/** Receives messages of one topic for one group by POP: what is handed out stays invisible to the group until it is acknowledged. */
export class PopConsumer {
  readonly #parts: PopParts;
  readonly #options: PopConsumerOptions;
  readonly #onClose: () => void;
  /** Each stream with what ends it. */
  readonly #streams = new Map<PopStream, AbortController>();
  #leave: (() => boolean) | undefined;
  #closed = false;

  constructor(parts: PopParts, options: PopConsumerOptions, onClose: () => void = () => {}) {
    this.#parts = parts;
    this.#options = options;
    this.#onClose = onClose;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get inFlightCount(): number {
    return [...this.#streams.keys()].reduce((count, { inFlight }) => count + inFlight.size, 0);
  }

  /**
   * Makes sure that the topic can be received, and fixes where a new group starts. A topic that does not exist is waited for where the
   * brokers create topics by themselves.
   * @returns whether the topic exists.
   * @throws ClientError `noRoute`, `noBroker`, `unsupported` for brokers without POP; ResponseError; RemotingError.
   */
  async open(deadline: Deadline): Promise<boolean> {
    const { routes, heartbeats } = this.#parts.cluster;
    const { subscriber, filter } = this.#options;
    const own = await routes.find(subscriber.topic, deadline);
    const route = own ?? (await routes.find(defaultTopic, deadline));
    if (route === undefined) throw new ClientError('noRoute', `topic ${subscriber.topic} does not exist`);
    const channels = await this.#checkBrokers(route, deadline);
    await Promise.all(
      channels.map(async (channel) => {
        await this.#parts.groups.read(subscriber.group, channel, deadline);
        if (own !== undefined) await fixStartOffsets(subscriber, own.readQueueCount, channel, deadline);
      }),
    );
    this.#leave ??= heartbeats.join(subscriber.group, subscriber.topic, filter.expression);
    return own !== undefined;
  }

  /**
   * A new stream; several of one consumer share the messages. What it leaves un-acknowledged is released when it ends.
   * @throws ResponseError when the brokers refuse the group or the topic to us; ClientError `closed`.
   */
  async *stream(options: PopStreamOptions): AsyncGenerator<ReceivedMessage> {
    if (this.#closed) throw new ClientError('closed', 'the consumer has been closed');
    const ending = new AbortController();
    const stream = new PopStream(this.#parts, this.#options, { ...options, signal: ending.signal });
    this.#streams.set(stream, ending);
    const stopRenewal = this.#startRenewal(stream.inFlight);
    // A reader that is gone may never ask for the next message, so the end of the stream does not wait for it.
    const ended = new Promise<void>((resolve) => {
      ending.signal.addEventListener('abort', () => {
        stopRenewal();
        this.#streams.delete(stream);
        resolve(this.#releaseAll(stream));
      });
    });
    const end = (): void => ending.abort();
    options.signal.addEventListener('abort', end, { once: true });
    if (options.signal.aborted) end();
    try {
      yield* stream.messages();
    } finally {
      options.signal.removeEventListener('abort', end);
      end();
      await ended;
    }
  }

  /**
   * Ends the delivery of a message; a second time is a success too.
   * @throws ClientError `expired` when the message is, or soon will be, visible to others again; RemotingError, ResponseError.
   */
  async ack(receipt: PopReceipt, deadline: Deadline): Promise<void> {
    const { subscriber } = this.#options;
    const [inFlight, message] = this.#find(receipt);
    await message?.renewing;
    const current = message?.receipt ?? receipt;
    this.#checkReceipt(current);
    const channel = await this.#channelOf(current, deadline);
    await this.#parts.acks.ack(subscriber, current, channel, deadline);
    inFlight?.remove(receipt);
  }

  /** Ends every stream and takes the group off the brokers where nobody else here is a member. */
  close(): void {
    this.#closed = true;
    for (const ending of this.#streams.values()) ending.abort();
    this.#onClose();
    const { cluster } = this.#parts;
    if (this.#leave?.() === true) cluster.heartbeats.leave(this.#options.subscriber.group, cluster.brokers.all);
    this.#leave = undefined;
  }

  /** Connections to the brokers that can be reached, which all must have POP. */
  async #checkBrokers(route: Route, deadline: Deadline): Promise<readonly Channel[]> {
    const { cluster } = this.#parts;
    const tries = route.readBrokerNames.map(async (brokerName) => {
      const channel = await cluster.broker(route, brokerName, deadline.atMost(this.#parts.requestTimeoutMs));
      return { channel, version: await cluster.heartbeats.versionOf(channel, deadline) };
    });
    const results = await Promise.allSettled(tries);
    const reached = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    if (reached.length === 0) {
      const cause = results.find((result) => result.status === 'rejected')?.reason;
      throw new ClientError('noBroker', `no broker of topic ${this.#options.subscriber.topic} can be reached`, cause);
    }
    if (reached.some(({ version }) => !isVersion5(version))) {
      throw new ClientError(
        'unsupported',
        'these brokers run RocketMQ 4.x, from which messages cannot be received yet: it needs POP of 5.0 or newer',
      );
    }
    return reached.map(({ channel }) => channel);
  }

  #find(receipt: PopReceipt): readonly [InFlightMessages | undefined, InFlightMessage | undefined] {
    for (const { inFlight } of this.#streams.keys()) {
      const message = inFlight.find(receipt);
      if (message !== undefined) return [inFlight, message];
    }
    return [undefined, undefined];
  }

  #checkReceipt(receipt: PopReceipt): void {
    if (this.#parts.released.has(receipt)) {
      throw new ClientError('expired', 'the message was given back when its stream ended; it is delivered again');
    }
    if (receipt.popTimeMs + receipt.invisibleDurationMs <= this.#parts.clocks.now(receipt.brokerName)) {
      throw new ClientError(
        'expired',
        `the ack came after the ${receipt.invisibleDurationMs} ms that a receiver has; the message is delivered again`,
      );
    }
  }

  async #channelOf(receipt: PopReceipt, deadline: Deadline): Promise<Channel> {
    const { cluster } = this.#parts;
    const route = await cluster.routes.find(this.#options.subscriber.topic, deadline);
    if (route === undefined)
      throw new ClientError('noRoute', `topic ${this.#options.subscriber.topic} does not exist any more`);
    return cluster.broker(route, receipt.brokerName, deadline);
  }

  /** Returns the function that stops it. */
  #startRenewal(inFlight: InFlightMessages): () => void {
    const { renewalDurationMs, invisibleDurationMs } = this.#options;
    if (renewalDurationMs <= invisibleDurationMs) return () => {};
    const timer = setInterval(() => this.#renewDue(inFlight), invisibleDurationMs / 6);
    return () => clearInterval(timer);
  }

  #renewDue(inFlight: InFlightMessages): void {
    const { renewalDurationMs, invisibleDurationMs } = this.#options;
    const nowMs = performance.now();
    for (const message of inFlight.all) {
      const leftMs = renewalDurationMs - (nowMs - message.handedOutAtMs);
      const due = message.visibleAtMs - nowMs < invisibleDurationMs / 2 && message.visibleAtMs > nowMs;
      if (!due || message.renewing !== undefined || nowMs + leftMs <= message.visibleAtMs) continue;
      message.renewing = this.#renew(message, Math.min(invisibleDurationMs, leftMs)).finally(() => {
        message.renewing = undefined;
      });
    }
  }

  /** Never fails: a message that could not be renewed becomes visible when its time is over. */
  async #renew(message: InFlightMessage, durationMs: number): Promise<void> {
    const deadline = Deadline.after(this.#parts.requestTimeoutMs);
    try {
      const channel = await this.#channelOf(message.receipt, deadline);
      message.receipt = await changeInvisible(
        this.#options.subscriber,
        message.receipt,
        Math.ceil(durationMs),
        channel,
        deadline,
      );
      message.visibleAtMs = performance.now() + durationMs;
    } catch (error) {
      this.#parts.log.warn({ err: error, ...this.#options.subscriber }, 'a message could not be kept invisible');
    }
  }

  async #releaseAll(stream: PopStream): Promise<void> {
    const deadline = Deadline.after(releaseTimeoutMs);
    const handedOut = stream.inFlight.all;
    await eachAtOnce(handedOut, releasesAtOnce, async (message) => {
      await message.renewing;
      await this.#release(message.receipt, deadline);
    });
    const leftOver = await stream.leftOver();
    await eachAtOnce(leftOver, releasesAtOnce, ({ receipt }) => this.#release(receipt, deadline));
  }

  /** Never fails: what could not be released becomes visible when its time is over. */
  async #release(receipt: PopReceipt, deadline: Deadline): Promise<void> {
    this.#parts.released.add(receipt);
    try {
      const channel = await this.#channelOf(receipt, deadline);
      await changeInvisible(this.#options.subscriber, receipt, 0, channel, deadline);
    } catch (error) {
      this.#parts.log.warn(
        { err: error, ...this.#options.subscriber },
        'a message could not be given back; it is visible when its time is over',
      );
    }
  }
}

/** Runs `work` for every item, so many side by side. */
async function eachAtOnce<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const runner = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, runner));
}
