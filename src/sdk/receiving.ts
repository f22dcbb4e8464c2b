import { EventEmitter } from 'node:events';
import { currentHandle, type Deliveries, type Delivery } from './deliveries.ts';
import type { ConsumerPort } from './gateway.ts';
import type { MessageData } from './message.ts';
import type { Logger } from './mq-config.ts';
import { type MQError, toMQError } from './mq-error.ts';
import { resumed } from './resumed.ts';
import { Slots } from './slots.ts';

/** What is called for each message. What it throws, or rejects with, gives the message back. */
export type MessageHandler<Body extends string | Buffer = string> = (message: MessageData<Body>) => unknown;

/**
 * What `startReceiving` returns. Its events:
 * - `data`, for each message, in the form of the published wire: `message_id`, `receipt_handle`, `message_body`, …; `born_timestamp` is text.
 * - `error`, with an MQError, each time that a stream broke. Where it is `retryable`, another one is opened by itself. Nobody has to listen.
 * - `end`, when there will be no more messages.
 */
export type ReceiveStream = EventEmitter & {
  /** Takes no more messages; those that were not acknowledged are given back at once. */
  cancel(): void;
  /** As `cancel`. */
  destroy(): void;
};

/** How messages are handed to handlers. */
export interface HandlingOptions {
  /** Handlers that may be at work at once. */
  readonly concurrency: number;
  /** Whether a message is acknowledged when all its handlers have returned. */
  readonly autoAck: boolean;
  /** After which time a message comes again whose handler failed, in ms. */
  readonly retryDelayMs: (reconsumeTimes: number) => number;
}

/** What receiving needs of its consumer. */
export interface ReceivingParts extends HandlingOptions {
  readonly port: ConsumerPort;
  readonly deliveries: Deliveries;
  readonly handlers: readonly MessageHandler<string | Buffer>[];
  readonly logger: Logger;
}

/** Takes messages and hands them to handlers, until it is told to stop. */
export class Receiving {
  readonly stream: ReceiveStream;
  /** Resolves when it has ended; never fails. */
  readonly ended: Promise<void>;
  readonly #parts: ReceivingParts;
  readonly #slots: Slots;
  readonly #ending = new AbortController();
  #isStopping = false;

  constructor(parts: ReceivingParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.concurrency);
    this.#ending.signal.addEventListener('abort', () => this.#slots.end(), { once: true });
    const cancel = (): void => this.#ending.abort();
    this.stream = Object.assign(new EventEmitter(), { cancel, destroy: cancel });
    // Listeners of the stream can be added before the first event.
    this.ended = new Promise((resolve) => setImmediate(resolve)).then(() => this.#run());
  }

  get isOver(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Takes no more messages, waits for handlers, then ends; it takes no longer than so many ms. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    const timer = setTimeout(() => this.#ending.abort(), timeoutMs);
    await this.#slots.idle();
    clearTimeout(timer);
    this.#ending.abort();
    await this.ended;
  }

  async #run(): Promise<void> {
    const { port } = this.#parts;
    const { signal } = this.#ending;
    const onBroken = (error: MQError, pauseMs: number): void => this.#tell(error, { pauseMs });
    try {
      for await (const message of resumed(() => port.stream(signal), signal, onBroken)) {
        if (this.#isStopping) {
          // It goes back when the stream ends, which handlers at work still need for their acks.
          await this.#slots.idle();
          break;
        }
        this.#slots.start(() => this.#handle(message));
        await this.#slots.free();
      }
    } catch (error) {
      this.#tell(toMQError(error));
    }
    await this.#slots.idle();
    this.#ending.abort();
    this.#emit('end');
  }

  #tell(error: MQError, fields: object = {}): void {
    const text = error.retryable ? 'a stream of messages broke; another one is opened' : 'receiving messages failed';
    this.#parts.logger.warn({ err: error, ...fields }, text);
    if (this.stream.listenerCount('error') > 0) this.#emit('error', error);
  }

  /** What a listener throws is nobody's but its own. */
  #emit(event: 'error' | 'end', ...values: readonly MQError[]): void {
    queueMicrotask(() => this.stream.emit(event, ...values));
  }

  /** Never fails. */
  async #handle(message: MessageData<string | Buffer>): Promise<void> {
    const { deliveries, handlers, autoAck, port } = this.#parts;
    const delivery = deliveries.add(message.receiptHandle);
    const tellListeners = (): boolean => this.stream.emit('data', toWire(message));
    const works = [tellListeners, ...handlers].map(async (handler) => handler(message));
    const failed = (await Promise.allSettled(works)).find(({ status }) => status === 'rejected');
    try {
      if (failed?.status === 'rejected') await this.#giveBack(message, delivery, failed.reason);
      else if (autoAck && handlers.length > 0 && !delivery.isSettled) await port.ack(currentHandle(delivery), {});
    } catch (error) {
      const { messageId } = message;
      this.#parts.logger.warn({ err: error, messageId }, 'a message could not be settled: it comes again');
    } finally {
      deliveries.remove(delivery);
    }
  }

  async #giveBack({ messageId, reconsumeTimes }: MessageData<string | Buffer>, delivery: Delivery, reason: unknown) {
    const { logger, port, retryDelayMs } = this.#parts;
    logger.warn({ err: reason, messageId, reconsumeTimes }, 'the handler of a message failed');
    if (!delivery.isSettled) await port.nack(currentHandle(delivery), retryDelayMs(reconsumeTimes), {});
  }
}

function toWire({ body, bornTimestamp, ...message }: MessageData<string | Buffer>) {
  return {
    message_id: message.messageId,
    receipt_handle: message.receiptHandle,
    message_body: body,
    tag: message.tag,
    properties: message.properties,
    born_timestamp: String(bornTimestamp),
    reconsume_times: message.reconsumeTimes,
  };
}
