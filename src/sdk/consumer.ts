import { setMaxListeners } from 'node:events';
import { Closing } from '../client/closing.ts';
import { Deliveries } from './deliveries.ts';
import type { ConsumerPort, ReceiveOptions } from './gateway.ts';
import type { CallOptions, MessageData, SettleResult } from './message.ts';
import { checkNumber, checkTimeout, type Logger } from './mq-config.ts';
import { closedError, invalid, type MQError } from './mq-error.ts';
import { type HandlingOptions, type MessageHandler, type ReceiveStream, Receiving } from './receiving.ts';
import { resumed } from './resumed.ts';

/** How a consumer receives, beyond what the published call says. */
export interface ConsumerOptions extends ReceiveOptions {
  /** Handlers that may be at work at once: 1 to 1,000. Default: 1,000, which is what a stream may have un-acknowledged. */
  readonly concurrency?: number | undefined;
  /** Acknowledges a message when all its handlers have returned, unless one of them has done it. Default: false, handlers acknowledge. */
  readonly autoAck?: boolean | undefined;
  /**
   * After which time a message comes again whose handler failed, in ms: 0 to 43,200,000, or a function of the redeliveries so far. Default: 1 s,
   * 2 s, 4 s … 2 h.
   */
  readonly retryDelayMs?: number | ((reconsumeTimes: number) => number) | undefined;
}

/** How one iteration differs. */
export interface MessagesOptions {
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

/** What consumers have of their client. */
export interface ConsumerParts {
  readonly port: ConsumerPort;
  readonly logger: Logger;
  /** How long `close` waits for handlers, in ms. */
  readonly timeoutMs: number;
  /** Told when it is closed. */
  readonly onClosed: () => void;
}

const concurrencyMax = 1_000;
const durationMsMax = 43_200_000;
const invisibleDurationMsMin = 1_000;
/** What proxies allow at most. */
const messagesMaxMax = 100_000;
const firstRetryDelayMs = 1_000;
const longestRetryDelayMs = 7_200_000;

/**
 * Receives messages of one topic for one group. A message that is not acknowledged comes again. Streams that break are opened again by
 * themselves.
 */
export class Consumer<Body extends string | Buffer = string> implements AsyncDisposable {
  readonly #parts: ConsumerParts;
  readonly #handling: HandlingOptions;
  readonly #deliveries = new Deliveries();
  readonly #handlers: MessageHandler<string | Buffer>[] = [];
  /** Ends iterations. */
  readonly #ending = new AbortController();
  readonly #closing = new Closing(
    () => closedError('the consumer'),
    () => this.#close(),
  );
  /** Handlers that are at work may still settle while the consumer is closing. */
  readonly #settling: Closing = new Closing(
    () => closedError('the consumer'),
    () => this.#settling.ended(),
  );
  #receiving: Receiving | undefined;

  /** Not for users: `MQClient.getConsumer` makes them. */
  constructor(parts: ConsumerParts, handling: HandlingOptions) {
    this.#parts = parts;
    this.#handling = handling;
    setMaxListeners(0, this.#ending.signal);
  }

  /** As proxies name it; opaque. */
  get consumerId(): string {
    return this.#parts.port.id;
  }

  /**
   * Adds a handler: every message is given to all handlers. It is awaited; where it throws or rejects, the message is given back and comes again
   * after `retryDelayMs`. It acknowledges by `ackMessage`, unless the consumer has `autoAck`.
   */
  onMessage(handler: MessageHandler<Body>): void {
    if (typeof handler !== 'function') throw invalid('the handler is no function');
    // Bodies are of the type that the options say.
    this.#handlers.push(handler as MessageHandler<string | Buffer>);
  }

  /**
   * Begins to give messages to the handlers. While it receives already, nothing happens.
   * @throws MQError `CLOSED`.
   */
  startReceiving(): ReceiveStream {
    this.#closing.check();
    if (this.#receiving === undefined || this.#receiving.isOver) {
      const { port, logger } = this.#parts;
      const [deliveries, handlers] = [this.#deliveries, this.#handlers];
      this.#receiving = new Receiving({ ...this.#handling, port, logger, deliveries, handlers });
    }
    return this.#receiving.stream;
  }

  /**
   * Messages, one after the other; `for await` takes the next one when its body is done. Leaving it gives back what is not acknowledged, so
   * acknowledge before.
   * @throws MQError `CLOSED`; one that is not `retryable` where receiving failed for good.
   */
  async *messages({ signal }: MessagesOptions = {}): AsyncGenerator<MessageData<Body>, void, undefined> {
    this.#closing.check();
    const ending = AbortSignal.any(signal === undefined ? [this.#ending.signal] : [this.#ending.signal, signal]);
    const { port, logger } = this.#parts;
    const onBroken = (error: MQError, pauseMs: number): void =>
      logger.warn({ err: error, pauseMs }, 'a stream of messages broke; another one is opened');
    for await (const message of resumed(() => port.stream(ending), ending, onBroken)) {
      // Bodies are of the type that the options say.
      yield message as MessageData<Body>;
    }
  }

  /**
   * Ends the delivery of a message; a second time is a success too. Acks of one turn of the event loop leave together, unless they have options of
   * their own.
   * @throws MQError `RECEIPT_EXPIRED` when it comes again.
   */
  ackMessage(receiptHandle: string, call: CallOptions = {}): Promise<SettleResult> {
    return this.#settle(receiptHandle, call, () => this.#parts.port.ack(String(receiptHandle), call));
  }

  /**
   * Gives a message back: it comes again, with one more of `reconsumeTimes`.
   * @param delayMs after which time: 0 to 43,200,000. Default: as soon as it can be.
   * @throws MQError as `ackMessage`.
   */
  nackMessage(receiptHandle: string, delayMs = 0, call: CallOptions = {}): Promise<SettleResult> {
    return this.#settle(receiptHandle, call, async () => {
      checkNumber('delayMs', delayMs, 0, durationMsMax);
      return this.#parts.port.nack(String(receiptHandle), delayMs, call);
    });
  }

  /**
   * Gives the receiver another time for its ack, from now on.
   * @param durationMs 1 to 43,200,000.
   * @returns the receipt handle to go on with; the old one is spent.
   * @throws MQError as `ackMessage`.
   */
  changeInvisibleDuration(receiptHandle: string, durationMs: number, call: CallOptions = {}): Promise<string> {
    return this.#during(call, async () => {
      checkNumber('durationMs', durationMs, 1, durationMsMax);
      const changed = await this.#parts.port.changeInvisibleDuration(String(receiptHandle), durationMs, call);
      this.#deliveries.replaced(receiptHandle, changed);
      return changed;
    });
  }

  /**
   * Takes no more messages, waits for handlers and acks that are under way (no longer than the client's `timeoutMs`), ends iterations, and lets
   * go of the consumer: what is not acknowledged comes again at once. Never fails.
   */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { port, timeoutMs, onClosed } = this.#parts;
    await this.#receiving?.stop(timeoutMs);
    await this.#settling.close();
    this.#ending.abort();
    // What cannot be told goes by itself when it is idle.
    await port.close().catch(() => {});
    onClosed();
  }

  #settle(receiptHandle: string, call: CallOptions, work: () => Promise<SettleResult>): Promise<SettleResult> {
    return this.#during(call, () => this.#deliveries.settling(receiptHandle, work));
  }

  async #during<T>({ timeoutMs }: CallOptions, work: () => Promise<T>): Promise<T> {
    checkTimeout(timeoutMs);
    return this.#settling.during(work);
  }
}

/** @throws MQError INVALID_ARGUMENT, naming the option. */
export function checkConsumerOptions(options: ConsumerOptions): HandlingOptions {
  const { concurrency = concurrencyMax, autoAck = false, retryDelayMs, consumeFrom, consumeMode } = options;
  checkNumber('concurrency', concurrency, 1, concurrencyMax);
  checkNumber('invisibleDurationMs', options.invisibleDurationMs, invisibleDurationMsMin, durationMsMax);
  checkNumber('messagesMax', options.messagesMax, 1, messagesMaxMax);
  const isTime = consumeFrom instanceof Date && consumeFrom.getTime() >= 0;
  if (!isTime && ![undefined, 'first', 'last'].includes(consumeFrom as string | undefined))
    throw invalid(`consumeFrom is ${String(consumeFrom)}; it may be first, last or a Date`);
  if (![undefined, 'auto', 'pop', 'pull'].includes(consumeMode))
    throw invalid(`consumeMode is ${String(consumeMode)}; it may be auto, pop or pull`);
  if (typeof retryDelayMs === 'function') return { concurrency, autoAck, retryDelayMs };
  checkNumber('retryDelayMs', retryDelayMs, 0, durationMsMax);
  return { concurrency, autoAck, retryDelayMs: (reconsumeTimes) => retryDelayMs ?? growingDelayMs(reconsumeTimes) };
}

function growingDelayMs(reconsumeTimes: number): number {
  return Math.min(longestRetryDelayMs, firstRetryDelayMs * 2 ** reconsumeTimes);
}
