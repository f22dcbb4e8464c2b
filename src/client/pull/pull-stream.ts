import { isCompressed } from '../../remoting/compression.ts';
import { Bell } from '../bell.ts';
import type { ConsumerOptions, StreamOptions } from '../consumer.ts';
import type { PullReceipt } from '../receipt.ts';
import { type DeliveryOf, type ReceivedMessage, readMessage, toReceivedMessage } from '../received-message.ts';
import { type Delivery, reconsumeTimesOf } from './deliveries.ts';
import type { MemberStream } from './member-topics.ts';
import type { PullMember } from './pull-member.ts';
import type { PullParts } from './pull-options.ts';

/** Messages of one consumer for one reader: queues are pulled from only while it has room. */
export class PullStream implements MemberStream {
  readonly topic: string;
  readonly #parts: PullParts;
  readonly #member: PullMember;
  readonly #consumer: ConsumerOptions;
  readonly #options: StreamOptions;
  /** Rings when there may be something to do for who waits for a message. */
  readonly #bell = new Bell();
  #inFlightCount = 0;
  #paused = false;
  /** Taken, and compressed. */
  #unread: Delivery | undefined;

  constructor(parts: PullParts, member: PullMember, consumer: ConsumerOptions, options: StreamOptions) {
    this.#parts = parts;
    this.#member = member;
    this.#consumer = consumer;
    this.#options = options;
    this.topic = consumer.subscriber.topic;
    options.demand?.watch(() => this.#bell.ring());
  }

  get inFlightCount(): number {
    return this.#inFlightCount;
  }

  /** Whether it may be given more. */
  get hasRoom(): boolean {
    const { messagesMax, demand, signal, unread } = this.#options;
    const isWanted = this.#inFlightCount < messagesMax && (demand?.count ?? 1) > 0;
    return isWanted && !signal.aborted && unread?.isStalled !== true;
  }

  /** How long a receiver has for its ack, in ms: nobody but us knows of the delivery, so there is nothing to be renewed. */
  get durationMs(): number {
    return Math.max(this.#consumer.invisibleDurationMs, this.#consumer.renewalDurationMs);
  }

  /** There may be a message, or an end. */
  ring(): void {
    this.#bell.ring();
  }

  onHandedOut(): void {
    this.#inFlightCount += 1;
  }

  onSettled(): void {
    this.#inFlightCount -= 1;
    if (this.#inFlightCount === this.#options.messagesMax - 1) this.#bell.ring();
  }

  /** The next message, if it is at hand and can be read without waiting: most are, and a promise for each of them costs. */
  takeNow(): ReceivedMessage<PullReceipt> | undefined {
    // What waits to be read goes first.
    if (this.#unread !== undefined) return undefined;
    const delivery = this.hasRoom ? this.#member.take(this) : undefined;
    if (delivery === undefined) return undefined;
    const { stored } = delivery.message;
    const isPacked = isCompressed(stored);
    if (isPacked) this.#unread = delivery;
    else this.#options.unread?.giveOfQueue(stored.body.length);
    // Only now does the queue count it no more, so that nobody else gets its room.
    delivery.reader.wake();
    return isPacked ? undefined : readMessage(stored, this.#deliveryOf(delivery), stored.body);
  }

  /**
   * Waits for the next message; undefined when the signal has ended the stream.
   * @throws ResponseError when the brokers refuse the group, the topic or the filter to us.
   */
  async next(): Promise<ReceivedMessage<PullReceipt> | undefined> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const unread = this.#unread;
      this.#unread = undefined;
      const message = unread === undefined ? this.takeNow() : await this.#unpack(unread);
      if (message !== undefined) return signal.aborted ? undefined : message;
      if (unread !== undefined || this.#unread !== undefined) continue;
      const refusal = this.#member.refusalOf(this.topic);
      if (refusal !== undefined) throw refusal;
      this.#notePause(!this.hasRoom);
      this.#member.wake(this.topic);
      await this.#bell.heard();
    }
    return undefined;
  }

  #deliveryOf({ message, receipt }: Delivery): DeliveryOf<PullReceipt> {
    return { topic: this.topic, reconsumeTimes: reconsumeTimesOf(message), receipt };
  }

  /** When there is room for it: it may be a thousand times as large then. */
  #unpack(delivery: Delivery): Promise<ReceivedMessage<PullReceipt> | undefined> {
    const { unread } = this.#options;
    const unpack = () => this.#read(delivery);
    return unread === undefined ? unpack() : unread.unpack(unpack);
  }

  async #read(delivery: Delivery): Promise<ReceivedMessage<PullReceipt> | undefined> {
    const { group, topic } = this.#consumer.subscriber;
    const { message, receipt } = delivery;
    try {
      return await toReceivedMessage(message.stored, this.#deliveryOf(delivery), this.#parts.bodyBytesMax);
    } catch (error) {
      this.#parts.log.error(
        { err: error, group, topic, receipt },
        'a message cannot be read; it comes again until it is dead',
      );
      // Not at once: it would come again and again, as fast as it can.
      void this.#member.deliveries.nack(receipt, unreadableDelayMs).catch(() => {});
      return undefined;
    }
  }

  #notePause(paused: boolean): void {
    if (paused && !this.#paused) this.#options.onPaused?.();
    this.#paused = paused;
  }
}

/** When a message comes again that could not be read, in ms. */
const unreadableDelayMs = 10_000;
