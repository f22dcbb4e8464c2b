import { Deadline, pause } from '../../remoting/deadline.ts';
import { Alarm } from '../alarm.ts';
import type { Consumer } from '../consumer.ts';
import { Demand } from '../demand.ts';
import { type ClientObserver, observeProcess } from '../observer.ts';
import type { ClientLog } from '../options.ts';
import type { ReceivedMessage as Received } from '../received-message.ts';
import { checkNumber } from './call.ts';
import { HandlerCall } from './handler-call.ts';
import type { GateUser, HandlerGate } from './handler-gate.ts';
import { type CheckedPushOptions, delayBounds, type HandlerResult } from './push-options.ts';
import { ReceivedMessage } from './received-message.ts';
import { toRocketMQError } from './rocketmq-error.ts';

/** Pause before a stream that failed is begun anew, in ms. */
const restartPauseMs = 1_000;
/** Tries of one ack, and of one nack. */
const settleTriesMax = 3;

/** What the topics of one push consumer share. */
export interface TopicHandlerParts {
  readonly namespace: string;
  readonly log: ClientLog;
  readonly options: CheckedPushOptions;
  /** With the namespace. */
  readonly group: string;
  /** Longest time of one ack or nack, in ms. */
  readonly settleTimeoutMs: number;
  /** Sees the work on messages: message traces and telemetry. */
  readonly observer: ClientObserver | undefined;
  /** Lets so many handlers run at once. */
  readonly gate: HandlerGate;
}

/** Gives the messages of one topic to the handler. */
export class TopicHandler implements GateUser {
  readonly #consumer: Consumer;
  readonly #parts: TopicHandlerParts;
  readonly #demand = new Demand();
  /** No more messages are given to the handler. */
  readonly #stopping = new AbortController();
  /** Handlers have no more time. */
  #isHurrying = false;
  /** The stream ends. */
  readonly #ending = new AbortController();
  /** Handlers that run. */
  readonly #calls = new Set<HandlerCall>();
  /** Rings when the time of one of them is over. */
  readonly #alarm = new Alarm((nowMs) => this.#endOverdue(nowMs));
  /** Messages from their coming to their end. */
  #underWayCount = 0;
  #onIdle: () => void = () => {};
  #closed: Promise<void> | undefined;

  /** @param consumer open; it is closed by `close`. */
  constructor(consumer: Consumer, parts: TopicHandlerParts) {
    this.#consumer = consumer;
    this.#parts = parts;
    this.#demand.set(Number.POSITIVE_INFINITY);
    void this.#read();
  }

  /** Takes no more messages until `resume`. */
  pause(): void {
    this.#demand.set(0);
  }

  resume(): void {
    if (!this.#stopping.signal.aborted) this.#demand.set(Number.POSITIVE_INFINITY);
  }

  /** Takes no more messages, gives back what waits for a handler, and waits for the handlers that run, so long as the options say. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#demand.set(0);
    this.#stopping.abort();
    for (const received of this.#parts.gate.takeBack(this)) void this.#giveBack(received);
    await this.#idle(this.#parts.options.closeTimeoutMs);
    this.#isHurrying = true;
    for (const call of this.#calls) call.end('cancelled');
    this.#ending.abort();
    await this.#consumer.close();
  }

  /** Resolves when no message is under way, after so long at the latest. */
  async #idle(withinMs: number): Promise<void> {
    if (this.#underWayCount === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    await Deadline.after(withinMs)
      .wait(idle, 'waiting for handlers')
      .catch(() => {});
  }

  /** Reads until the end; never fails. */
  async #read(): Promise<void> {
    const { log, options } = this.#parts;
    const { signal } = this.#ending;
    while (!this.#stopping.signal.aborted) {
      try {
        const stream = this.#consumer.stream({ messagesMax: options.messagesMax, signal, demand: this.#demand });
        for (;;) {
          const received = stream.takeNow() ?? (await stream.next()).value;
          if (received === undefined) break;
          this.#start(received);
        }
      } catch (error) {
        if (signal.aborted) return;
        log.error({ err: error, group: options.group }, 'receiving failed; it is begun anew');
        this.#tell(error);
      }
      await pause(restartPauseMs, this.#stopping.signal);
    }
  }

  #start(received: Received): void {
    this.#underWayCount += 1;
    if (this.#stopping.signal.aborted) void this.#giveBack(received);
    else this.#parts.gate.enter(this, received);
  }

  /** Never fails. */
  async #giveBack(received: Received): Promise<void> {
    await this.#settle(received, 0);
    this.#noteEnd();
  }

  #noteEnd(): void {
    this.#underWayCount -= 1;
    if (this.#underWayCount === 0) this.#onIdle();
  }

  /** Has the handler work on a message, and says what became of it. */
  letIn(received: Received): void {
    void this.#process(received);
  }

  /** Never fails. */
  async #process(received: Received): Promise<void> {
    const delayMs = await this.#handle(received);
    // What the end of the consumer cut short is given back with its stream.
    if (delayMs !== 'cut short') await this.#settle(received, delayMs);
    this.#noteEnd();
  }

  /** Undefined: it is done; else when it is to come again, in ms. Never fails. */
  async #handle(received: Received): Promise<number | undefined | 'cut short'> {
    const { options, log, namespace, observer, group, gate } = this.#parts;
    const message = new ReceivedMessage(received, namespace);
    const outcomeOf = (delayMs: number | undefined) => (delayMs === undefined ? 'success' : 'failure');
    try {
      const work = () => this.#callHandler(message);
      if (observer === undefined) return await work();
      return await observeProcess(observer, { message: received, group, outcomeOf }, work);
    } catch (error) {
      if (this.#isHurrying) return 'cut short';
      const { topic, messageId, reconsumeTimes } = message;
      const fields = { err: error, group: options.group, topic, messageId, reconsumeTimes };
      log.warn(fields, 'the handler of a message failed; it comes again');
      return this.#retryDelayMs(reconsumeTimes);
    } finally {
      gate.leave();
    }
  }

  /** As `delayOf`; a promise only where the handler gave one. @throws what the handler throws; RemotingError when it has no more time. */
  #callHandler(message: ReceivedMessage): number | undefined | Promise<number | undefined> {
    const { handler, handlerTimeoutMs } = this.#parts.options;
    const call = new HandlerCall(performance.now() + handlerTimeoutMs);
    const result = handler(message, call);
    return isPromise(result) ? this.#await(call, result) : delayOf(result);
  }

  async #await(call: HandlerCall, promised: PromiseLike<HandlerResult>): Promise<number | undefined> {
    this.#calls.add(call);
    this.#alarm.set(call.endsAtMs);
    try {
      return delayOf(await call.result(promised));
    } finally {
      this.#calls.delete(call);
    }
  }

  /** @returns when the next handler has no more time. */
  #endOverdue(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of this.#calls) {
      if (call.endsAtMs > nowMs) nextMs = Math.min(nextMs, call.endsAtMs);
      else call.end('timeout');
    }
    return nextMs;
  }

  /** Never fails. */
  #retryDelayMs(reconsumeTimes: number): number {
    try {
      const delayMs = Math.ceil(this.#parts.options.retryDelayMs(reconsumeTimes));
      checkNumber('retryDelayMs', delayMs, delayBounds);
      return delayMs;
    } catch (error) {
      this.#tell(error);
      return restartPauseMs;
    }
  }

  /** Acknowledges, or gives back after a delay. Never fails: the message comes again when its time is over. */
  async #settle(received: Received, delayMs: number | undefined): Promise<void> {
    for (let tryCount = 1; ; tryCount += 1) {
      try {
        const deadline = Deadline.after(this.#parts.settleTimeoutMs);
        if (delayMs === undefined) await this.#consumer.ack(received.receipt, deadline);
        else await this.#consumer.nack(received.receipt, delayMs, deadline);
        return;
      } catch (error) {
        const { retryable } = toRocketMQError(error);
        if (retryable && tryCount < settleTriesMax && !this.#ending.signal.aborted) continue;
        const what =
          delayMs === undefined ? 'an ack failed; the message comes again' : 'a message could not be given back';
        const { topic, messageId } = received;
        this.#parts.log.warn({ err: error, topic, messageId }, what);
        this.#tell(error);
        return;
      }
    }
  }

  /** Never fails. */
  #tell(error: unknown): void {
    try {
      this.#parts.options.onError(toRocketMQError(error));
    } catch (failure) {
      this.#parts.log.error({ err: failure }, 'onError failed');
    }
  }
}

function isPromise(result: HandlerResult | Promise<HandlerResult>): result is Promise<HandlerResult> {
  return typeof result === 'object' && 'then' in result;
}

/** Undefined: it is done. @throws RocketMQError `INVALID_ARGUMENT` for what is no result. */
function delayOf(result: HandlerResult): number | undefined {
  if (typeof result !== 'object') return undefined;
  checkNumber('retryAfterMs', result.retryAfterMs, delayBounds);
  return result.retryAfterMs;
}
