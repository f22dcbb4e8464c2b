import type { Channel } from '../remoting/channel.ts';
import { Deadline } from '../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../remoting/errors.ts';
import { popMessagesMax } from '../remoting/requests/pop-message.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { InFlightMessages } from './in-flight-messages.ts';
import type { PopConsumerOptions, PopParts } from './pop-consumer.ts';
import { type PopSource, waitForMessages } from './pop-requests.ts';
import { PopTaker } from './pop-taker.ts';
import type { ReceivedMessage } from './received-message.ts';
import type { Route } from './route.ts';

/** How long to wait before looking again for a topic that does not exist, or a broker that failed, in ms. */
const retryPauseMs = 1_000;
/** Longest pause after a broker that says it has messages gave none: another consumer holds their queue. */
const contendedPauseMsMax = 200;

export interface PopStreamOptions {
  /** Messages that may be handed out and not yet acknowledged. */
  readonly messagesMax: number;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** Called each time that the stream stops polling because its reader has enough. */
  readonly onPaused?: () => void;
}

interface Batch {
  readonly brokerName: string;
  readonly messages: readonly ReceivedMessage[];
  readonly error: unknown;
}

/**
 * Messages of one consumer for one reader. Brokers are polled side by side, each once at a time and only while the reader takes
 * messages, so first deliveries of a queue stay in order and a reader that is slow costs one batch per broker.
 */
export class PopStream {
  readonly inFlight: InFlightMessages;
  readonly #parts: PopParts;
  readonly #consumer: PopConsumerOptions;
  readonly #options: PopStreamOptions;
  readonly #taker: PopTaker;
  readonly #polls = new Map<string, Promise<Batch>>();
  readonly #contendedPauseMs = new Map<string, number>();
  #reservedCount = 0;
  /** What was taken and waits for the reader. */
  #inHand: ReceivedMessage[] = [];

  constructor(parts: PopParts, consumer: PopConsumerOptions, options: PopStreamOptions) {
    this.#parts = parts;
    this.#consumer = consumer;
    this.#options = options;
    this.#taker = new PopTaker(parts, consumer);
    this.inFlight = new InFlightMessages(options.messagesMax);
  }

  /**
   * Hands out messages until the signal ends it. A broker that fails is tried again.
   * @throws ResponseError when the brokers refuse the group or the topic to us.
   */
  async *messages(): AsyncGenerator<ReceivedMessage> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      await this.#waitForRoom();
      const route = await this.#route();
      if (route !== undefined) this.#startPolls(route);
      const batch = await this.#nextBatch();
      if (batch === undefined) continue;
      if (isRefusal(batch.error)) throw batch.error;
      this.#inHand = [...batch.messages];
      yield* this.#handOut();
    }
  }

  /** What was taken, or still will be, and no reader gets. To be called once `messages` has ended. */
  async leftOver(): Promise<readonly ReceivedMessage[]> {
    const batches = await Promise.all(this.#polls.values());
    return [...this.#inHand, ...batches.flatMap(({ messages }) => messages)];
  }

  *#handOut(): Generator<ReceivedMessage> {
    while (!this.#options.signal.aborted) {
      const message = this.#inHand.shift();
      if (message === undefined) return;
      const visibleAtMs = this.#visibleAtMs(message);
      // It waited here for its reader until its time was over, so the broker delivers it again.
      if (visibleAtMs <= performance.now()) continue;
      this.inFlight.add(message.receipt, visibleAtMs);
      yield message;
    }
  }

  async #waitForRoom(): Promise<void> {
    const { signal, onPaused } = this.#options;
    let paused = false;
    for (;;) {
      this.inFlight.removeExpired(performance.now());
      if (this.inFlight.room > this.#reservedCount || this.#polls.size > 0 || signal.aborted) return;
      if (!paused) onPaused?.();
      paused = true;
      await this.#sleepUnless(this.inFlight.left());
    }
  }

  async #route(): Promise<Route | undefined> {
    const { cluster, log } = this.#parts;
    const { topic, group } = this.#consumer.subscriber;
    try {
      return await cluster.routes.find(topic, Deadline.after(this.#parts.requestTimeoutMs, this.#options.signal));
    } catch (error) {
      log.warn({ err: error, topic, group }, 'the route of a topic could not be had; trying again');
      return undefined;
    }
  }

  #startPolls(route: Route): void {
    for (const brokerName of route.readBrokerNames) {
      const countMax = Math.min(popMessagesMax, this.inFlight.room - this.#reservedCount);
      if (this.#polls.has(brokerName) || countMax <= 0) continue;
      this.#reservedCount += countMax;
      const poll = this.#poll(route, brokerName, countMax).finally(() => {
        this.#reservedCount -= countMax;
      });
      this.#polls.set(brokerName, poll);
    }
  }

  /** The first batch that comes; undefined when there was nothing to wait for but a pause. */
  async #nextBatch(): Promise<Batch | undefined> {
    if (this.#polls.size === 0) {
      await this.#sleepUnless();
      return undefined;
    }
    const batch = await Promise.race(this.#polls.values());
    this.#polls.delete(batch.brokerName);
    if (batch.error === undefined) return batch;
    if (!this.#options.signal.aborted && !isRefusal(batch.error)) this.#noteFailure(batch);
    return batch;
  }

  #noteFailure({ brokerName, error }: Batch): void {
    const { cluster, log } = this.#parts;
    const { topic, group } = this.#consumer.subscriber;
    cluster.routes.doubt(topic);
    log.warn({ err: error, brokerName, topic, group }, 'receiving from a broker failed; trying again');
  }

  /** Never fails: what goes wrong is part of the batch. */
  async #poll(route: Route, brokerName: string, countMax: number): Promise<Batch> {
    const { signal } = this.#options;
    try {
      const channel = await this.#parts.cluster.broker(
        route,
        brokerName,
        Deadline.after(this.#parts.requestTimeoutMs, signal),
      );
      const messages = await this.#takeOrWait(this.#source(brokerName, channel), countMax);
      return { brokerName, messages, error: undefined };
    } catch (error) {
      await this.#sleepUnless();
      return { brokerName, messages: [], error };
    }
  }

  async #takeOrWait(source: PopSource, countMax: number): Promise<readonly ReceivedMessage[]> {
    const { signal } = this.#options;
    const { brokerName } = source;
    const first = await this.#taker.take(source, countMax);
    if (first.length > 0 || signal.aborted) return first;
    if (!(await waitForMessages(source, this.#consumer.pollDurationMs, signal))) return [];
    const messages = await this.#taker.take(source, countMax);
    if (messages.length > 0) this.#contendedPauseMs.delete(brokerName);
    else await this.#pauseForOthers(brokerName);
    return messages;
  }

  /** The broker has messages in queues that another consumer is popping from right now. */
  async #pauseForOthers(brokerName: string): Promise<void> {
    const pauseMs = this.#contendedPauseMs.get(brokerName) ?? 5;
    this.#contendedPauseMs.set(brokerName, Math.min(contendedPauseMsMax, pauseMs * 2));
    await Deadline.after(pauseMs, this.#options.signal).sleep(pauseMs);
  }

  #source(brokerName: string, channel: Channel): PopSource {
    const { subscriber, filter } = this.#consumer;
    return { subscriber, filter, brokerName, channel, clocks: this.#parts.clocks };
  }

  #visibleAtMs({ receipt }: ReceivedMessage): number {
    const leftMs = receipt.popTimeMs + receipt.invisibleDurationMs - this.#parts.clocks.now(receipt.brokerName);
    return performance.now() + leftMs;
  }

  /** Sleeps, unless the stream ends or `event` happens first. */
  async #sleepUnless(event?: Promise<void>): Promise<void> {
    const pause = Deadline.after(retryPauseMs, this.#options.signal);
    await (event === undefined ? pause.sleep(retryPauseMs) : pause.wait(event, 'a pause')).catch(() => {});
  }
}

/** True for answers that trying again cannot change. */
function isRefusal(error: unknown): boolean {
  if (error instanceof RemotingError || !(error instanceof ResponseError)) return false;
  return error.code === ResponseCode.NO_PERMISSION || error.code === ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST;
}
