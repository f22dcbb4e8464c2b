import { isCompressed } from '../../remoting/compression.ts';
import { Deadline } from '../../remoting/deadline.ts';
import type { PopReceipt } from '../../remoting/pop-receipt.ts';
import type { StoredMessage } from '../../remoting/stored-message.ts';
import type { ConsumerOptions } from '../consumer.ts';
import { isWanted } from '../message-filter.ts';
import { type DeliveryOf, type ReceivedMessage, readMessage, toReceivedMessage } from '../received-message.ts';
import type { PopParts } from './pop-options.ts';
import {
  type PopAttempt,
  type PoppedMessage,
  type PopSource,
  sendToDeadLetters,
  takeMessages,
} from './pop-requests.ts';

/** What one POP brought. */
export interface Taken {
  /** All that it brought, those too that nobody shall get. */
  readonly poppedCount: number;
  readonly messages: readonly ReceivedMessage<PopReceipt>[];
}

/**
 * Takes messages from a broker and makes them ready to be handed out: those that the group does not want, and those that failed too
 * often, end here.
 */
export class PopTaker {
  readonly #parts: PopParts;
  readonly #consumer: ConsumerOptions;

  constructor(parts: PopParts, consumer: ConsumerOptions) {
    this.#parts = parts;
    this.#consumer = consumer;
  }

  /**
   * Up to `countMax` messages; none when there are none. Fails as a request fails.
   * @param attempt of an ordered POP; undefined for one in no order.
   */
  async take(source: PopSource, countMax: number, attempt?: PopAttempt): Promise<Taken> {
    const { subscriber, invisibleDurationMs } = this.#consumer;
    const popped = await takeMessages(source, { countMax, invisibleDurationMs, attempt }, (error) => {
      this.#parts.log.error({ err: error, ...subscriber }, 'a stored message is damaged and cannot be delivered');
    });
    const reconsumeTimesMax = await this.#reconsumeTimesMax(source, popped);
    const messages: ReceivedMessage<PopReceipt>[] = [];
    for (const one of popped.map((message) => this.#receive(source, message, reconsumeTimesMax))) {
      // Mostly there is nothing to wait for.
      const message = one instanceof Promise ? await one : one;
      if (message !== undefined) messages.push(message);
    }
    return { poppedCount: popped.length, messages };
  }

  /** Asked for only where one of the messages came again. */
  async #reconsumeTimesMax({ channel }: PopSource, popped: readonly PoppedMessage[]): Promise<number> {
    if (popped.every(({ reconsumeTimes }) => reconsumeTimes === 0)) return 0;
    const deadline = Deadline.after(this.#parts.requestTimeoutMs);
    const { subscriber, reconsumeTimesMax } = this.#consumer;
    return reconsumeTimesMax ?? this.#parts.groups.retryMaxTimes(subscriber.group, channel, deadline);
  }

  /** A promise only where something is waited for. */
  #receive(
    source: PopSource,
    popped: PoppedMessage,
    reconsumeTimesMax: number,
  ): ReceivedMessage<PopReceipt> | Promise<ReceivedMessage<PopReceipt> | undefined> {
    const { stored, receipt, reconsumeTimes } = popped;
    // Brokers compare hashes of tags only; what this group does not want is done with.
    if (!isWanted(source.filter, stored)) return this.#finish(source, popped);
    if (reconsumeTimes > reconsumeTimesMax) return this.#bury(source, popped);
    const delivery = { topic: source.subscriber.topic, reconsumeTimes, receipt };
    return isCompressed(stored) ? this.#decompress(stored, delivery) : readMessage(stored, delivery, stored.body);
  }

  async #decompress(
    stored: StoredMessage,
    delivery: DeliveryOf<PopReceipt>,
  ): Promise<ReceivedMessage<PopReceipt> | undefined> {
    try {
      return await toReceivedMessage(stored, delivery, this.#parts.bodyBytesMax);
    } catch (error) {
      this.#parts.log.error(
        { err: error, ...this.#consumer.subscriber, receipt: delivery.receipt },
        'a message cannot be read; it comes again until it is dead',
      );
      return undefined;
    }
  }

  async #bury(source: PopSource, popped: PoppedMessage): Promise<undefined> {
    const { subscriber, channel } = source;
    try {
      await sendToDeadLetters(subscriber, popped.stored, channel);
      this.#parts.log.warn(
        { ...subscriber, receipt: popped.receipt },
        'a message failed too often and is in the dead letter queue',
      );
      return this.#finish(source, popped);
    } catch (error) {
      this.#parts.log.warn(
        { err: error, ...subscriber },
        'a dead message could not be moved to the dead letter queue; it comes again',
      );
      return undefined;
    }
  }

  /** Does not wait for the broker; but where there is an order, what comes next comes only after it. */
  async #finish({ subscriber, channel }: PopSource, { receipt }: PoppedMessage): Promise<undefined> {
    const acked = this.#parts.acks.ack(subscriber, receipt, channel).catch((error: unknown) => {
      this.#parts.log.debug({ err: error, ...subscriber }, 'an ack of our own failed; the message comes again');
    });
    if (this.#consumer.orderly === true) await acked;
    return undefined;
  }
}
