import { Deadline } from '../../remoting/deadline.ts';
import type { ConsumerOptions } from '../consumer.ts';
import { isWanted } from '../message-filter.ts';
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
  readonly messages: readonly PoppedMessage[];
}

/**
 * Takes messages from a broker: those that the group does not want, and those that failed too often, end here. What is compressed stays
 * so, because nobody may read it for long.
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
    const endings: Promise<void>[] = [];
    const messages = popped.filter((message) => {
      const ending = this.#endOf(source, message, reconsumeTimesMax);
      if (ending !== undefined) endings.push(ending);
      return ending === undefined;
    });
    if (endings.length > 0) await Promise.all(endings);
    return { poppedCount: popped.length, messages };
  }

  /** Asked for only where one of the messages came again. */
  async #reconsumeTimesMax({ channel }: PopSource, popped: readonly PoppedMessage[]): Promise<number> {
    if (popped.every(({ reconsumeTimes }) => reconsumeTimes === 0)) return 0;
    const deadline = Deadline.after(this.#parts.requestTimeoutMs);
    const { subscriber, reconsumeTimesMax } = this.#consumer;
    return reconsumeTimesMax ?? this.#parts.groups.retryMaxTimes(subscriber.group, channel, deadline);
  }

  /** Ends a message that nobody shall get; undefined for all others. */
  #endOf(source: PopSource, popped: PoppedMessage, reconsumeTimesMax: number): Promise<void> | undefined {
    // Brokers compare hashes of tags only; what this group does not want is done with.
    if (!isWanted(source.filter, popped.stored)) return this.#finish(source, popped);
    return popped.reconsumeTimes > reconsumeTimesMax ? this.#bury(source, popped) : undefined;
  }

  async #bury(source: PopSource, popped: PoppedMessage): Promise<void> {
    const { subscriber, channel } = source;
    try {
      await sendToDeadLetters(subscriber, popped.stored, channel);
      this.#parts.log.warn(
        { ...subscriber, receipt: popped.receipt },
        'a message failed too often and is in the dead letter queue',
      );
      await this.#finish(source, popped);
    } catch (error) {
      this.#parts.log.warn(
        { err: error, ...subscriber },
        'a dead message could not be moved to the dead letter queue; it comes again',
      );
    }
  }

  /** Does not wait for the broker; but where there is an order, what comes next comes only after it. */
  async #finish({ subscriber, channel }: PopSource, { receipt }: PoppedMessage): Promise<void> {
    const acked = this.#parts.acks.ack(subscriber, receipt, channel).catch((error: unknown) => {
      this.#parts.log.debug({ err: error, ...subscriber }, 'an ack of our own failed; the message comes again');
    });
    if (this.#consumer.orderly === true) await acked;
  }
}
