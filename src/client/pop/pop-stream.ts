import { isCompressed } from '../../remoting/compression.ts';
import { Deadline, pause } from '../../remoting/deadline.ts';
import { ResponseError } from '../../remoting/errors.ts';
import type { PopReceipt } from '../../remoting/pop-receipt.ts';
import { popMessagesMax } from '../../remoting/requests/pop-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { Bell } from '../bell.ts';
import type { Route } from '../cluster/route.ts';
import { routeDoubt } from '../cluster/routes.ts';
import type { ConsumerOptions, StreamOptions } from '../consumer.ts';
import { ClientError, isDenied } from '../errors.ts';
import { type DeliveryOf, type ReceivedMessage, readMessage, toReceivedMessage } from '../received-message.ts';
import { type InFlightMessage, InFlightMessages } from './in-flight-messages.ts';
import type { PopParts } from './pop-options.ts';
import { type OrderedStream, OrderedTakes, orderedPollDurationMsMax } from './pop-ordered.ts';
import { type PopAttempt, type PoppedMessage, type PopSource, waitForMessages } from './pop-requests.ts';
import { PopTaker } from './pop-taker.ts';

/** How long to wait before looking again for a topic that does not exist, or a broker that failed, in ms. */
const retryPauseMs = 1_000;
/** First and longest pause after a broker that says it has messages gave none: another consumer holds their queue. */
const contendedPauseMs = 5;
const contendedPauseMsMax = 200;

/**
 * Messages of one consumer for one reader. Brokers are polled side by side, each once at a time and only while the reader waits for
 * a message, so first deliveries of a queue stay in order and a reader that is slow costs at most two batches per broker. Where the
 * consumer is orderly, what becomes free is taken beside the poll that waits.
 */
export class PopStream {
  readonly inFlight: InFlightMessages;
  readonly #parts: PopParts;
  readonly #consumer: ConsumerOptions;
  readonly #options: StreamOptions;
  readonly #taker: PopTaker;
  /** The poll under way at each broker; none of them fails. */
  readonly #polls = new Map<string, Promise<void>>();
  /** Undefined where no order is wanted. */
  readonly #ordered: OrderedTakes | undefined;
  /** What is taken at each broker beside its poll, where there is an order; none of it fails. */
  #takes: Map<string, Promise<void>> | undefined;
  /** Of each broker that others have taken from; undefined while there was none: many streams only wait. */
  #contendedPauseMs: Map<string, number> | undefined;
  /** Rings when there may be something to do for who waits for a message. */
  readonly #bell = new Bell();
  /** What was taken and waits for the reader. */
  #inHand: PoppedMessage[] = [];
  /** How many messages the POPs under way may bring. */
  #expectedCount = 0;
  #lastHandedOut: InFlightMessage | undefined;
  #turn = 0;
  #paused = false;
  #refusal: unknown;

  constructor(parts: PopParts, consumer: ConsumerOptions, options: StreamOptions) {
    this.#parts = parts;
    this.#consumer = consumer;
    this.#options = options;
    this.#taker = new PopTaker(parts, consumer);
    options.demand?.watch(() => this.#bell.ring());
    this.#ordered = consumer.orderly === true ? new OrderedTakes(this.#orderedStream) : undefined;
    this.inFlight = new InFlightMessages(options.messagesMax, ({ receipt }, wasFull) => {
      this.#ordered?.free(receipt.brokerName);
      if (wasFull || this.#ordered !== undefined) this.#bell.ring();
    });
  }

  /** The next message, if it is at hand and can be read without waiting: most are, and a promise for each of them costs. */
  takeNow(): ReceivedMessage<PopReceipt> | undefined {
    if (this.#options.signal.aborted) return undefined;
    for (;;) {
      const popped = this.#inHand[0];
      if (popped === undefined || isCompressed(popped.stored)) return undefined;
      const visibleAtMs = this.#visibleAtMs(popped);
      if (visibleAtMs > performance.now()) return this.#handOut(popped, visibleAtMs);
      this.#drop(popped);
    }
  }

  /**
   * Waits for the next message; undefined when the signal has ended the stream. A broker that fails is tried again.
   * @throws ResponseError when the brokers refuse the group or the topic to us; ClientError `closed`.
   */
  async next(): Promise<ReceivedMessage<PopReceipt> | undefined> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const message = this.takeNow();
      if (message !== undefined) return message;
      const packed = this.#inHand[0];
      if (packed !== undefined) {
        const unpacked = await this.#unpack(packed);
        if (unpacked !== undefined) return unpacked;
        continue;
      }
      if (this.#refusal !== undefined) throw this.#refusal;
      await this.#startPolls();
      // Polls ring when they end. Without one there may be messages that expire, or a topic that comes into being.
      await this.#bell.heard(this.#polls.size > 0 ? undefined : retryPauseMs);
    }
    return undefined;
  }

  /** Whether the reader is known not to have it yet: what nobody works on is not kept invisible for longer. */
  isUnread(message: InFlightMessage): boolean {
    return message === this.#lastHandedOut && this.#options.unread?.isReading === true;
  }

  get inFlightCount(): number {
    return this.inFlight.size;
  }

  /** There may be an end. */
  ring(): void {
    this.#bell.ring();
  }

  /** What was taken, or still will be, and no reader gets. To be called once the signal has ended the stream. */
  async leftOver(): Promise<readonly PoppedMessage[]> {
    await Promise.all([...this.#polls.values(), ...(this.#takes?.values() ?? [])]);
    return this.#inHand.splice(0);
  }

  /** How many more messages may be taken. */
  get #room(): number {
    const wantedCount = this.#options.demand?.count ?? Number.POSITIVE_INFINITY;
    return Math.min(this.inFlight.room, wantedCount) - this.#inHand.length - this.#expectedCount;
  }

  /** The first in hand goes to the reader. */
  #handOut(popped: PoppedMessage, visibleAtMs: number): ReceivedMessage<PopReceipt> {
    const { stored } = popped;
    this.#inHand.shift();
    this.#options.unread?.give(stored.body.length);
    this.#lastHandedOut = this.inFlight.add(popped.receipt, visibleAtMs);
    return readMessage(stored, this.#deliveryOf(popped), stored.body);
  }

  /** As `#handOut`, for one that is compressed: only when its reader comes, because it may be a thousand times as large then. */
  async #unpack(popped: PoppedMessage): Promise<ReceivedMessage<PopReceipt> | undefined> {
    const { unread, signal } = this.#options;
    const unpack = () => this.#read(popped);
    const message = await (unread === undefined ? unpack() : unread.unpack(unpack));
    // The end of the stream gives back what is in hand, and this still is.
    if (signal.aborted) return undefined;
    this.#drop(popped);
    const visibleAtMs = this.#visibleAtMs(popped);
    if (message === undefined || visibleAtMs <= performance.now()) return undefined;
    this.#lastHandedOut = this.inFlight.add(popped.receipt, visibleAtMs);
    return message;
  }

  async #read(popped: PoppedMessage): Promise<ReceivedMessage<PopReceipt> | undefined> {
    try {
      return await toReceivedMessage(popped.stored, this.#deliveryOf(popped), this.#parts.bodyBytesMax);
    } catch (error) {
      const { receipt } = popped;
      this.#parts.log.error(
        { err: error, ...this.#consumer.subscriber, receipt },
        'a message cannot be read; it comes again until it is dead',
      );
      return undefined;
    }
  }

  /** Takes the first away: nobody gets it, or not as it is. What waited until its time was over the broker delivers again. */
  #drop({ stored }: PoppedMessage): void {
    this.#inHand.shift();
    this.#options.unread?.drop(stored.body.length);
  }

  #deliveryOf({ receipt, reconsumeTimes }: PoppedMessage): DeliveryOf<PopReceipt> {
    return { topic: this.#consumer.subscriber.topic, reconsumeTimes, receipt };
  }

  async #startPolls(): Promise<void> {
    this.inFlight.removeExpired(performance.now());
    this.#notePause(this.inFlight.room === 0);
    if (this.#room <= 0) return;
    const route = await this.#route();
    if (route === undefined || this.#options.signal.aborted) return;
    for (const brokerName of this.#inTurn([...route.readQueueCounts.keys()])) {
      if (!this.#polls.has(brokerName)) this.#polls.set(brokerName, this.#poll(route, brokerName));
      else if (this.#ordered?.isDue(brokerName) === true && this.#takes?.has(brokerName) !== true) {
        this.#takes ??= new Map();
        this.#takes.set(brokerName, this.#takeFreed(route, brokerName));
      }
    }
  }

  #notePause(paused: boolean): void {
    if (paused && !this.#paused) this.#options.onPaused?.();
    this.#paused = paused;
  }

  /** Each time from another one on: where there is little room, the first gets it. */
  #inTurn(brokerNames: readonly string[]): readonly string[] {
    this.#turn += 1;
    const start = this.#turn % Math.max(1, brokerNames.length);
    return [...brokerNames.slice(start), ...brokerNames.slice(0, start)];
  }

  async #route(): Promise<Route | undefined> {
    const { cluster, log } = this.#parts;
    const { signal } = this.#options;
    const { topic, group } = this.#consumer.subscriber;
    try {
      return await cluster.routes.find(topic, Deadline.after(this.#parts.requestTimeoutMs, signal));
    } catch (error) {
      if (isRefusal(error)) this.#refusal = error;
      else if (!signal.aborted)
        log.warn({ err: error, topic, group }, 'the route of a topic could not be had; trying again');
      return undefined;
    }
  }

  /** Takes what there is, else waits until there is something. Never fails. */
  async #poll(route: Route, brokerName: string): Promise<void> {
    const { signal } = this.#options;
    const { pollDurationMs } = this.#consumer;
    const order = this.#ordered !== undefined;
    const wait = { order, pollDurationMs: order ? Math.min(pollDurationMs, orderedPollDurationMsMax) : pollDurationMs };
    try {
      const source = await this.#source(route, brokerName);
      if (!this.#canTake || (await this.#takeThere(source, route))) return;
      if (!(await waitForMessages(source, wait, signal))) return;
      if (this.#canTake && !(await this.#takeThere(source, route))) await this.#pauseForOthers(brokerName);
    } catch (error) {
      await this.#noteFailure(brokerName, error);
    } finally {
      this.#polls.delete(brokerName);
      this.#bell.ring();
    }
  }

  /** Takes what is there now. Never fails. */
  async #takeFreed(route: Route, brokerName: string): Promise<void> {
    try {
      await this.#takeThere(await this.#source(route, brokerName), route);
    } catch (error) {
      await this.#noteFailure(brokerName, error);
    } finally {
      this.#takes?.delete(brokerName);
      this.#bell.ring();
    }
  }

  async #source(route: Route, brokerName: string): Promise<PopSource> {
    const { subscriber, filter } = this.#consumer;
    const { cluster, clocks, requestTimeoutMs } = this.#parts;
    const channel = await cluster.broker(route, brokerName, Deadline.after(requestTimeoutMs, this.#options.signal));
    return { subscriber, filter, brokerName, channel, clocks };
  }

  /** False when there was nothing to take. */
  #takeThere(source: PopSource, { readQueueCounts }: Route): Promise<boolean> {
    return this.#ordered === undefined
      ? this.#takeAhead(source)
      : this.#ordered.takeAll(source, readQueueCounts.get(source.brokerName) ?? 0);
  }

  get #orderedStream(): OrderedStream {
    return {
      canTake: () => this.#canTake && this.#inHand.length <= popMessagesMax,
      holds: (brokerName, queueId) => {
        const isThere = ({ receipt }: { readonly receipt: PopReceipt }): boolean =>
          receipt.brokerName === brokerName && receipt.queueId === queueId;
        return this.#inHand.some(isThere) || this.inFlight.all.some(isThere);
      },
      take: async (source, attempt) => {
        const poppedCount = await this.#take(source, 1, attempt);
        this.#bell.ring();
        return poppedCount;
      },
    };
  }

  /**
   * Takes what there is. Behind a full batch there is more, of which the next is asked for before the reader gets the first, so that broker
   * and reader work side by side. False when there was nothing to take.
   */
  async #takeAhead(source: PopSource): Promise<boolean> {
    const { unread } = this.#options;
    const countOf = (): number => unread?.countOf(popMessagesMax) ?? popMessagesMax;
    let askedCount = countOf();
    let poppedCount = await this.#take(source, askedCount);
    const found = poppedCount > 0;
    while (poppedCount === askedCount && this.#inHand.length <= popMessagesMax && this.#canTake) {
      if (unread?.mayTakeAhead === false) break;
      askedCount = countOf();
      const next = this.#take(source, askedCount);
      setImmediate(() => this.#bell.ring());
      poppedCount = await next;
    }
    return found;
  }

  get #canTake(): boolean {
    return this.#room > 0 && !this.#options.signal.aborted;
  }

  /** How many there were. */
  async #take(source: PopSource, wantedCount: number, attempt?: PopAttempt): Promise<number> {
    const countMax = Math.min(wantedCount, this.#room);
    let poppedCount = 0;
    this.#expectedCount += countMax;
    const take = async (): Promise<readonly PoppedMessage[]> => {
      const taken = await this.#taker.take(source, countMax, attempt);
      poppedCount = taken.poppedCount;
      this.#inHand.push(...taken.messages);
      return taken.messages;
    };
    try {
      await (this.#options.unread?.take(countMax, take) ?? take());
      if (poppedCount > 0) this.#contendedPauseMs?.delete(source.brokerName);
      return poppedCount;
    } finally {
      this.#expectedCount -= countMax;
      // Another broker may have the room that this one did not need.
      if (poppedCount === 0) this.#bell.ring();
    }
  }

  async #noteFailure(brokerName: string, error: unknown): Promise<void> {
    const { cluster, log } = this.#parts;
    const { topic, group } = this.#consumer.subscriber;
    if (this.#options.signal.aborted) return;
    if (isRefusal(error)) {
      this.#refusal = error;
      return;
    }
    cluster.routes.doubt(topic, routeDoubt(error) ?? 'brokerGone');
    log.warn({ err: error, brokerName, topic, group }, 'receiving from a broker failed; trying again');
    await pause(retryPauseMs, this.#options.signal);
  }

  /** The broker has messages in queues that another consumer is popping from right now. */
  async #pauseForOthers(brokerName: string): Promise<void> {
    this.#contendedPauseMs ??= new Map();
    const durationMs = this.#contendedPauseMs.get(brokerName) ?? contendedPauseMs;
    this.#contendedPauseMs.set(brokerName, Math.min(contendedPauseMsMax, durationMs * 2));
    await pause(durationMs, this.#options.signal);
  }

  #visibleAtMs({ receipt }: PoppedMessage): number {
    const leftMs = receipt.popTimeMs + receipt.invisibleDurationMs - this.#parts.clocks.now(receipt.brokerName);
    return performance.now() + leftMs;
  }
}

/** True for what trying again cannot change. */
function isRefusal(error: unknown): boolean {
  if (error instanceof ClientError) return error.kind === 'closed' || isDenied(error);
  return error instanceof ResponseError && error.code === ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST;
}
