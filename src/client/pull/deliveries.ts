import { NumberTable } from '../../basics/number-table.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { Alarm } from '../alarm.ts';
import { eachAtOnce } from '../each-at-once.ts';
import { ClientError } from '../errors.ts';
import type { PullClaim, PullReceipt } from '../receipt.ts';
import type { DeliveryNumbers } from './delivery-numbers.ts';
import type { ProcessQueue, PulledMessage } from './process-queue.ts';
import type { PullParts } from './pull-options.ts';
import type { QueueReader } from './queue-reader.ts';
import type { SendBack } from './send-back.ts';

/** Longest time for a message to go back to its broker, by one way or another, in ms. */
const giveBackTimeoutMs = 5_000;
/** How long a message that could not go back waits here before it is handed out again, in ms; as Java's client has it. */
const localRetryDelayMs = 5_000;
/** Messages of one stream that go back side by side. */
const giveBacksAtOnce = 64;

/** Who has messages in flight. */
export interface DeliveryOwner {
  /** Called when one more is in flight. */
  onHandedOut(): void;
  /** Called when one of them is not in flight any more. */
  onSettled(): void;
}

/** A message as it was taken from its queue. */
export interface TakenMessage {
  readonly message: PulledMessage;
  readonly reader: QueueReader;
  /** Where it lies; another one than the reader's when that went on from elsewhere. */
  readonly messages: ProcessQueue;
}

/** A message that was handed out. */
export interface Delivery extends TakenMessage {
  readonly receipt: PullReceipt;
  readonly owner: DeliveryOwner;
  /** When its time is over, on the monotonic clock, in ms. */
  readonly endsAtMs: number;
}

export interface DeliveriesOptions {
  readonly group: string;
  /** Messages come again here, before all later ones of their queue, instead of by the retry topic. */
  readonly ordered: boolean;
  /** Messages come again here too, and dead ones are dropped: the queue is everybody's, and no broker knows how far we are. Default: false. */
  readonly broadcast?: boolean;
  readonly sendBack: SendBack;
  /** There may be something to hand out again, or room for more. */
  readonly onChange: (reader: QueueReader) => void;
}

/** What one member of a group has handed out: each is acknowledged, given back, or comes again when its time is over. */
export class Deliveries {
  readonly #parts: PullParts;
  readonly #options: DeliveriesOptions;
  /** By the lower 32 bits of their numbers. */
  readonly #open = new NumberTable<Delivery>();
  /** Rings when the time of one of them is over. */
  readonly #alarm = new Alarm((nowMs) => this.#endOverdue(nowMs));
  /** Messages on their way back; none of them fails. */
  readonly #returning = new Map<Promise<void>, QueueReader>();
  /** Who waits for messages to be in flight no more. */
  readonly #waiting = new Set<() => void>();

  constructor(parts: PullParts, options: DeliveriesOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Hands a message out. @param durationMs how long the receiver has for its ack. */
  add({ message, reader, messages }: TakenMessage, owner: DeliveryOwner, durationMs: number): Delivery {
    const { topic: queueTopic, brokerName, queueId } = reader.queue;
    const { deliveryNumbers } = this.#parts;
    const { clientMark } = deliveryNumbers;
    const deliveryNumber = this.#freeNumber(deliveryNumbers);
    const { queueOffset } = message.stored;
    const receipt = { clientMark, deliveryNumber, brokerName, queueTopic, queueId, queueOffset };
    const endsAtMs = performance.now() + durationMs;
    const delivery = { message, reader, messages, receipt, owner, endsAtMs };
    this.#open.set(deliveryNumber | 0, delivery);
    this.#alarm.set(endsAtMs);
    owner.onHandedOut();
    return delivery;
  }

  /** The message is done. @throws ClientError `expired`. */
  ack(receipt: PullClaim): void {
    const { deliveryNumbers } = this.#parts;
    if (wasAcknowledged(receipt, deliveryNumbers)) return;
    const { reader, messages, message } = this.#take(receipt);
    const wasFull = messages.isFull;
    messages.done(message);
    deliveryNumbers.acknowledged(receipt.deliveryNumber);
    // Out of order, an ack lets nothing else be handed out.
    if (wasFull || this.#options.ordered) this.#options.onChange(reader);
  }

  /** The message comes again after a delay; resolves when that is sure. @throws ClientError `expired`. */
  async nack(receipt: PullClaim, delayMs: number): Promise<void> {
    await this.#giveBack(this.#take(receipt), delayMs);
  }

  /** Counts the time of a delivery anew. @throws ClientError `expired`. */
  extend(receipt: PullClaim, durationMs: number): PullReceipt {
    const delivery = this.#take(receipt);
    return this.add(delivery, delivery.owner, durationMs).receipt;
  }

  /** Gives back all that an owner has in flight. Never fails: what could not go back is handed out again later. */
  async giveBackAll(owner: DeliveryOwner): Promise<void> {
    const ofOwner = [...this.#open.values()].filter((delivery) => delivery.owner === owner);
    const deliveries = ofOwner.map(({ receipt }) => this.#take(receipt));
    await eachAtOnce(deliveries, giveBacksAtOnce, (delivery) => this.#giveBack(delivery, 0));
  }

  /** The messages of a queue that are in flight count no more: it is not ours now, or goes on from elsewhere. */
  lose(reader: QueueReader): void {
    for (const delivery of [...this.#open.values()]) if (delivery.reader === reader) this.#take(delivery.receipt);
  }

  /** Resolves when no message of a queue is in flight, after so long at the latest. */
  async settled(reader: QueueReader, withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs;
    const isInFlight = (): boolean => [...this.#open.values()].some((delivery) => delivery.reader === reader);
    while (isInFlight() && performance.now() < endMs) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, endMs - performance.now());
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Resolves when no message of a queue is on its way back. */
  async returned(reader: QueueReader): Promise<void> {
    await Promise.all([...this.#returning].filter(([, of]) => of === reader).map(([returning]) => returning));
  }

  /** Takes messages of a topic that nobody reads here out of a queue: they come again after the delay, for somebody who does. */
  postpone({ reader, messages, message }: TakenMessage, delayMs: number): void {
    const { sendBack, onChange, group } = this.#options;
    const { queue } = reader;
    const postpone = async (): Promise<void> => {
      try {
        await sendBack.postpone(queue, message, delayMs, Deadline.after(giveBackTimeoutMs));
        messages.done(message);
      } catch (error) {
        this.#parts.log.warn(
          { err: error, ...queue, group },
          'a message of a topic that is not read here could not go back',
        );
        messages.handBack(message, performance.now() + localRetryDelayMs);
      }
      onChange(reader);
    };
    void this.#track(postpone(), reader);
  }

  /** A delivery that still counts, which it does no more from now on. @throws ClientError `expired`. */
  #take({ clientMark, deliveryNumber }: PullClaim): Delivery {
    const delivery = this.#open.get(deliveryNumber | 0);
    if (delivery?.receipt.deliveryNumber !== deliveryNumber || delivery.receipt.clientMark !== clientMark)
      throw expiredError();
    this.#open.delete(deliveryNumber | 0);
    delivery.owner.onSettled();
    if (this.#waiting.size > 0) this.#wakeWaiting();
    return delivery;
  }

  /** The next; where one is open that is older by 2^32, the one behind. */
  #freeNumber(numbers: DeliveryNumbers): number {
    for (;;) {
      const number = numbers.next();
      if (!this.#open.has(number | 0)) return number;
    }
  }

  #wakeWaiting(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Gives back what nobody has acknowledged in its time. @returns when the next time is over. */
  #endOverdue(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { receipt, endsAtMs } of this.#open.values()) {
      if (endsAtMs > nowMs) nextMs = Math.min(nextMs, endsAtMs);
      else void this.#giveBack(this.#take(receipt), 0);
    }
    return nextMs;
  }

  /** Never fails. */
  #giveBack(delivery: Delivery, delayMs: number): Promise<void> {
    const { ordered, broadcast } = this.#options;
    const work = ordered || broadcast ? this.#again(delivery, delayMs) : this.#sendBack(delivery, delayMs);
    return this.#track(work, delivery.reader);
  }

  #track(work: Promise<void>, reader: QueueReader): Promise<void> {
    const returning = work.finally(() => this.#returning.delete(returning));
    this.#returning.set(returning, reader);
    return returning;
  }

  async #sendBack({ message, messages, reader }: Delivery, delayMs: number): Promise<void> {
    const { sendBack, onChange, group } = this.#options;
    const { queue } = reader;
    try {
      await sendBack.retry(queue, message, delayMs, Deadline.after(giveBackTimeoutMs));
      messages.done(message);
    } catch (error) {
      this.#parts.log.warn(
        { err: error, ...queue, group },
        'a message could not go back to its broker; it comes again here',
      );
      this.#later({ message, messages, reader }, localRetryDelayMs);
    }
    onChange(reader);
  }

  /** The same message once more, before all others of its queue; what had all of its tries is buried. */
  async #again({ message, messages, reader }: Delivery, delayMs: number): Promise<void> {
    const { sendBack, onChange, group, broadcast = false } = this.#options;
    const { queue } = reader;
    try {
      const deadline = Deadline.after(giveBackTimeoutMs);
      if (reconsumeTimesOf(message) < (await sendBack.reconsumeTimesMax(queue, deadline))) {
        this.#later({ message, messages, reader }, delayMs);
        return;
      }
      if (!broadcast) await sendBack.bury(queue, message, deadline);
      const where = broadcast ? 'dropped: broadcasts have no dead letter queue' : 'in the dead letter queue';
      this.#parts.log.warn({ ...queue, group }, `a message failed too often and is ${where}`);
      messages.done(message);
    } catch (error) {
      this.#parts.log.warn({ err: error, ...queue, group }, 'a dead message could not be buried; it comes again');
      this.#later({ message, messages, reader }, localRetryDelayMs);
    }
    onChange(reader);
  }

  #later({ message, messages, reader }: TakenMessage, delayMs: number): void {
    messages.handBack(message, performance.now() + delayMs);
    // Timers may be a little early.
    setTimeout(() => this.#options.onChange(reader), delayMs + 1).unref();
  }
}

/** Tries of a message before this one, those that brokers do not know of too. */
export function reconsumeTimesOf({ stored, localReconsumeTimes }: PulledMessage): number {
  return stored.reconsumeTimes + localReconsumeTimes;
}

/** Whether a delivery of this client was acknowledged, as far as that is remembered. */
export function wasAcknowledged({ clientMark, deliveryNumber }: PullClaim, numbers: DeliveryNumbers): boolean {
  return clientMark === numbers.clientMark && numbers.isAcknowledged(deliveryNumber);
}

/** What is said of a receipt that counts no more. */
export function expiredError(): ClientError {
  return new ClientError(
    'expired',
    'the message is delivered again: the time for its ack is over, it was given back, or its queue has another reader now; ' +
      'or another client received it, which alone can acknowledge it',
  );
}
