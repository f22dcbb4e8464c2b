import { Deadline, pause } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import type { Consumer } from '../consumer.ts';
import { Demand } from '../demand.ts';
import { type ClientObserver, observeProcess } from '../observer.ts';
import type { ClientLog } from '../options.ts';
import type { ReceivedMessage as Received } from '../received-message.ts';
import type { Gate } from '../send/gate.ts';
import { checkNumber, timeoutMsMax } from './call.ts';
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
  readonly gate: Gate;
}

/** Gives the messages of one topic to the handler. */
export class TopicHandler {
  readonly #consumer: Consumer;
  readonly #parts: TopicHandlerParts;
  readonly #demand = new Demand();
  /** No more messages are given to the handler. */
  readonly #stopping = new AbortController();
  /** Handlers have no more time. */
  readonly #hurrying = new AbortController();
  /** The stream ends. */
  readonly #ending = new AbortController();
  /** Messages from their coming to their end; none of them fails. */
  readonly #underWay = new Set<Promise<void>>();
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
    const { closeTimeoutMs } = this.#parts.options;
    const done = Promise.all(this.#underWay);
    await Deadline.after(closeTimeoutMs)
      .wait(done, 'waiting for handlers')
      .catch(() => {});
    this.#hurrying.abort();
    this.#ending.abort();
    await this.#consumer.close();
  }

  /** Reads until the end; never fails. */
  async #read(): Promise<void> {
    const { log, options } = this.#parts;
    const { signal } = this.#ending;
    while (!this.#stopping.signal.aborted) {
      try {
        const stream = this.#consumer.stream({ messagesMax: options.messagesMax, signal, demand: this.#demand });
        for await (const received of stream) this.#start(received);
      } catch (error) {
        if (signal.aborted) return;
        log.error({ err: error, group: options.group }, 'receiving failed; it is begun anew');
        this.#tell(error);
      }
      await pause(restartPauseMs, this.#stopping.signal);
    }
  }

  #start(received: Received): void {
    const underWay = this.#process(received).finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
  }

  /** Never fails. */
  async #process(received: Received): Promise<void> {
    const turn = Deadline.after(timeoutMsMax, this.#stopping.signal);
    try {
      turn.check('waiting for a handler');
      await this.#parts.gate.run(() => this.#handle(received), turn);
    } catch (error) {
      // The end came before its turn.
      if (error instanceof RemotingError) await this.#settle(received, 0);
      else throw error;
    }
  }

  /** Never fails. */
  async #handle(received: Received): Promise<void> {
    const { options, log, namespace, observer, group } = this.#parts;
    const message = new ReceivedMessage(received, namespace);
    const { topic, messageId, reconsumeTimes } = message;
    const outcomeOf = (delayMs: number | undefined) => (delayMs === undefined ? 'success' : 'failure');
    try {
      const work = async (): Promise<number | undefined> => delayOf(await this.#callHandler(message));
      await this.#settle(received, await observeProcess(observer, { message: received, group, outcomeOf }, work));
    } catch (error) {
      // What the end of the consumer cut short is given back with its stream.
      if (this.#hurrying.signal.aborted) return;
      const fields = { err: error, group: options.group, topic, messageId, reconsumeTimes };
      log.warn(fields, 'the handler of a message failed; it comes again');
      await this.#settle(received, this.#retryDelayMs(reconsumeTimes));
    }
  }

  /** @throws what the handler throws; RemotingError when it has no more time. */
  async #callHandler(message: ReceivedMessage): Promise<HandlerResult> {
    const { handler, handlerTimeoutMs } = this.#parts.options;
    const time = Deadline.after(handlerTimeoutMs, this.#hurrying.signal);
    const ending = new AbortController();
    const stop = time.watch(() => ending.abort(new Error('the handler of a message has no more time')));
    const work = (async () => handler(message, { signal: ending.signal }))();
    try {
      return await time.wait(work, 'the handler of a message');
    } finally {
      stop();
    }
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
  async #settle({ receipt, messageId, topic }: Received, delayMs: number | undefined): Promise<void> {
    for (let tryCount = 1; ; tryCount += 1) {
      try {
        const deadline = Deadline.after(this.#parts.settleTimeoutMs);
        if (delayMs === undefined) await this.#consumer.ack(receipt, deadline);
        else await this.#consumer.nack(receipt, delayMs, deadline);
        return;
      } catch (error) {
        const { retryable } = toRocketMQError(error);
        if (retryable && tryCount < settleTriesMax && !this.#ending.signal.aborted) continue;
        const what =
          delayMs === undefined ? 'an ack failed; the message comes again' : 'a message could not be given back';
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

/** Undefined: it is done. @throws RocketMQError `INVALID_ARGUMENT` for what is no result. */
function delayOf(result: HandlerResult): number | undefined {
  if (typeof result !== 'object') return undefined;
  checkNumber('retryAfterMs', result.retryAfterMs, delayBounds);
  return result.retryAfterMs;
}
