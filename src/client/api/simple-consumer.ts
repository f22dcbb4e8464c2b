import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { Closing } from '../closing.ts';
import { type ClientObserver, observeReceive, observeSettle, type Settlement } from '../observer.ts';
import type { Receipt } from '../receipt.ts';
import type { ReceivedMessage as Received } from '../received-message.ts';
import { type CallOptions, checkNumber, runCall, timeoutMsMax } from './call.ts';
import { type ClientParts, runOnCluster } from './client-parts.ts';
import { ObservedWork } from './observed-work.ts';
import { delayBounds } from './push-options.ts';
import type { ReceivedMessage } from './received-message.ts';
import { closedError, invalidArgument, RocketMQError, toRocketMQError } from './rocketmq-error.ts';
import {
  checkConsumeFrom,
  checkInvisibleDuration,
  type Filter,
  openConsumer,
  parseFilter,
  type ReceiveOptions,
} from './subscription.ts';
import { type Arrival, firstArrival, TopicReader } from './topic-reader.ts';

/** Options of a simple consumer. */
export interface SimpleConsumerOptions extends ReceiveOptions {
  /** How long a message is nobody else's once it was received, in ms: 1,000 to 43,200,000 (12 h). Default: 30,000. */
  readonly invisibleDurationMs?: number;
}

/** How one receive differs. */
export interface ReceiveCall {
  /** How long to wait for a first message, in ms: 1 to 2,147,483,647. Default: 20,000. Then there is none, which is no error. */
  readonly timeoutMs?: number;
  /** Ends it with `CANCELLED`; messages that have come already are returned. */
  readonly signal?: AbortSignal;
  /** Default: the consumer's. */
  readonly invisibleDurationMs?: number;
}

const invisibleDurationMsDefault = 30_000;
const receiveTimeoutMsDefault = 20_000;
/** Most messages of one receive. */
export const receiveCountMax = 1_024;
/** Messages that iteration asks for at once. */
const iterationCount = 16;
/** Most messages that may be received and not settled, for each topic. */
const unsettledMax = 65_536;

/**
 * Receives messages when it is asked to. What it hands out is nobody else's until it is acknowledged, given back, or its invisible duration
 * is over; then it comes again, to this or another member of the group.
 */
export class SimpleConsumer implements AsyncDisposable {
  readonly #parts: ClientParts;
  readonly #group: string;
  readonly #options: SimpleConsumerOptions;
  readonly #readers = new Map<string, TopicReader>();
  readonly #deliveries = new WeakMap<ReceivedMessage, Delivery>();
  readonly #ending = new AbortController();
  readonly #closing: Closing;
  #observer: ClientObserver | undefined;
  readonly #work: ObservedWork;
  /** The receive before the next one: they have their turns, so that each message comes with the duration that was asked for. */
  #last: Promise<unknown> = Promise.resolve();
  #turn = 0;

  /** Not for users: `RocketMQClient.simpleConsumer` makes them. */
  constructor(parts: ClientParts, options: SimpleConsumerOptions) {
    this.#parts = parts;
    this.#group = parts.fullGroup(options.group);
    this.#options = options;
    this.#work = new ObservedWork(() => this.#observer, this.#group);
    checkConsumeFrom(options.consumeFrom);
    checkInvisibleDuration('invisibleDurationMs', this.#invisibleDurationMs({}));
    this.#closing = new Closing(
      () => closedError('the consumer'),
      () => this.#close(),
    );
  }

  /**
   * Receives from this topic too, from now on. All members of a group must have the same subscriptions.
   * @throws RocketMQError `TOPIC_NOT_FOUND`, `INVALID_ARGUMENT`, …
   */
  subscribe(topic: string, filter: Filter = '*', call: CallOptions = {}): Promise<void> {
    return this.#closing.during(() =>
      runOnCluster(this.#parts, call, async (cluster, deadline) => {
        const full = this.#parts.rules.fullTopic(topic);
        if (this.#readers.has(full)) throw invalidArgument(`topic ${topic} is subscribed to: unsubscribe first`);
        const durationMs = this.#invisibleDurationMs({});
        const options = {
          subscriber: { group: this.#group, topic: full },
          filter: parseFilter(filter),
          invisibleDurationMs: durationMs,
          renewalDurationMs: 0,
          consumeFrom: checkConsumeFrom(this.#options.consumeFrom),
          mode: this.#options.consumeMode,
        };
        const consumer = await openConsumer(cluster, options, deadline);
        this.#observer = cluster.observer;
        const signal = this.#ending.signal;
        const reader = new TopicReader(consumer, {
          namespace: this.#parts.namespace,
          messagesMax: unsettledMax,
          signal,
          setDuration: (invisibleDurationMs) => Object.assign(options, { invisibleDurationMs }),
        });
        this.#readers.set(full, reader);
        if (this.#closing.isClosed) await reader.close();
      }),
    );
  }

  /** Receives from this topic no more; what was received of it comes again. Nothing where it was not subscribed to. */
  async unsubscribe(topic: string): Promise<void> {
    const full = this.#parts.rules.fullTopic(topic);
    const reader = this.#readers.get(full);
    this.#readers.delete(full);
    await reader?.close();
  }

  /**
   * Up to `countMax` messages of all topics, as soon as there is one; none when none came in time. Calls side by side have their turns.
   * @param countMax 1 to 1,024.
   * @throws RocketMQError.
   */
  receive(countMax = 1, call: ReceiveCall = {}): Promise<ReceivedMessage[]> {
    return this.#closing.during(() => {
      const durationMs = this.#invisibleDurationMs(call);
      const { timeoutMs = receiveTimeoutMsDefault, signal } = call;
      checkNumber('countMax', countMax, { min: 1, max: receiveCountMax });
      checkNumber('timeoutMs', timeoutMs, { min: 1, max: timeoutMsMax });
      checkInvisibleDuration('invisibleDurationMs', durationMs);
      if (this.#readers.size === 0) throw invalidArgument('nothing is subscribed to: subscribe to a topic first');
      const signals = signal === undefined ? [this.#ending.signal] : [signal, this.#ending.signal];
      const deadline = Deadline.after(timeoutMs, AbortSignal.any(signals));
      const received = this.#inTurn(() => this.#receive(countMax, durationMs, deadline), deadline);
      return received.catch((error: unknown) => this.#endOf(error, signal));
    });
  }

  /**
   * Receives for as long as it is iterated: `for await (const message of consumer)`. A loop that ends gives back what it was not given.
   */
  async *messages(
    call: Pick<ReceiveCall, 'signal' | 'invisibleDurationMs'> = {},
  ): AsyncGenerator<ReceivedMessage, void> {
    for (;;) {
      const batch = await this.receive(iterationCount, call);
      try {
        for (let message = batch.shift(); message !== undefined; message = batch.shift()) yield message;
      } finally {
        // What cannot be given back comes again when its time is over.
        await Promise.allSettled(batch.map((message) => this.nack(message)));
      }
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage, void> {
    return this.messages();
  }

  /**
   * The message is done, and does not come again. A second time is a success too.
   * @throws RocketMQError `RECEIPT_EXPIRED` when it comes again: its time was over, or it was given back.
   */
  ack(message: ReceivedMessage, call: CallOptions = {}): Promise<void> {
    return this.#settle(message, call, 'ack', ({ reader, receipt }, deadline) =>
      reader.consumer.ack(receipt, deadline),
    );
  }

  /**
   * Gives a message back: it comes again, with one more of `reconsumeTimes`.
   * @param delayMs not before, in ms: 0 to 43,200,000. By pull it is the nearest delay level. Default: 0.
   * @throws as `ack`.
   */
  nack(message: ReceivedMessage, delayMs = 0, call: CallOptions = {}): Promise<void> {
    return this.#settle(message, call, 'nack', ({ reader, receipt }, deadline) => {
      checkNumber('delayMs', delayMs, delayBounds);
      return reader.consumer.nack(receipt, delayMs, deadline);
    });
  }

  /**
   * Makes the message invisible to others for so long from now on.
   * @param durationMs 1,000 to 43,200,000 (12 h).
   * @throws as `ack`.
   */
  changeInvisibleDuration(message: ReceivedMessage, durationMs: number, call: CallOptions = {}): Promise<void> {
    return this.#settle(message, call, 'changeInvisibleDuration', async (delivery, deadline) => {
      checkInvisibleDuration('durationMs', durationMs);
      const { reader, receipt } = delivery;
      delivery.receipt = await reader.consumer.changeInvisibleDuration(receipt, durationMs, deadline);
    });
  }

  /** Receives no more. What was received and not settled is given back at once, for others. Never fails. */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    await this.#closing.ended();
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()));
    this.#parts.onClosed(this);
  }

  async #receive(countMax: number, durationMs: number, deadline: Deadline): Promise<ReceivedMessage[]> {
    const arrived: (Arrival & { readonly reader: TopicReader })[] = [];
    // A call for several topics is one call.
    const reading = { group: this.#group, topic: [...this.#readers.keys()].join(',') };
    await observeReceive(this.#observer, reading, async () => {
      const readers = this.#readersInTurn();
      for (const reader of readers) reader.want(Math.max(1, Math.ceil(countMax / readers.length)), durationMs);
      try {
        while (arrived.length < countMax && (await firstArrival(readers, arrived.length > 0, deadline))) {
          for (const reader of readers) {
            const arrival = arrived.length < countMax ? reader.take() : undefined;
            if (arrival !== undefined) arrived.push({ ...arrival, reader });
          }
        }
      } catch (error) {
        if (arrived.length === 0 && !isTimeOver(error)) throw error;
      } finally {
        for (const reader of readers) reader.want(0, durationMs);
      }
      return arrived.map(({ received }) => received);
    });
    return arrived.map(({ message, received, reader }) => {
      this.#deliveries.set(message, { reader, received, receipt: received.receipt });
      this.#work.began(message, received);
      return message;
    });
  }

  /** Each time from another one on: where little is wanted, the first gets it. */
  #readersInTurn(): TopicReader[] {
    const readers = [...this.#readers.values()];
    this.#turn += 1;
    const start = this.#turn % Math.max(1, readers.length);
    return [...readers.slice(start), ...readers.slice(0, start)];
  }

  async #inTurn(work: () => Promise<ReceivedMessage[]>, deadline: Deadline): Promise<ReceivedMessage[]> {
    const before = this.#last;
    const turn = deadline.wait(before, 'receiving').then(work);
    // The next one waits for both: one that gave up waiting has not ended the one before.
    this.#last = Promise.allSettled([before, turn]);
    return turn;
  }

  /** A time that is over means no message; the end of the consumer is `CLOSED`. */
  #endOf(error: unknown, signal: AbortSignal | undefined): ReceivedMessage[] {
    const failure = toRocketMQError(error, signal);
    if (failure.code === 'TIMEOUT') return [];
    if (failure.code === 'CANCELLED' && signal?.aborted !== true) {
      throw new RocketMQError('CLOSED', 'the consumer has been closed', error);
    }
    throw failure;
  }

  #settle(
    message: ReceivedMessage,
    call: CallOptions,
    settlement: Settlement,
    work: (delivery: Delivery, deadline: Deadline) => Promise<void>,
  ): Promise<void> {
    const delivery = this.#deliveries.get(message);
    return this.#closing.during(() =>
      runCall(call, this.#parts.timeoutMs, async (deadline) => {
        if (delivery === undefined) throw invalidArgument('the message was not received by this consumer');
        const settled = { message: delivery.received, group: this.#group, settlement };
        try {
          await observeSettle(this.#observer, settled, () => work(delivery, deadline));
        } catch (error) {
          this.#work.unsettled(message, error);
          throw error;
        }
        if (settlement === 'ack') this.#work.ended(message, 'success');
        if (settlement === 'nack') this.#work.ended(message, 'failure');
      }),
    );
  }

  #invisibleDurationMs({ invisibleDurationMs }: ReceiveCall): number {
    return invisibleDurationMs ?? this.#options.invisibleDurationMs ?? invisibleDurationMsDefault;
  }
}

/** What a message was received by. */
interface Delivery {
  readonly reader: TopicReader;
  readonly received: Received;
  /** Replaced each time that the duration is changed. */
  receipt: Receipt;
}

/** No message in time is no failure. */
function isTimeOver(error: unknown): boolean {
  return error instanceof RemotingError && error.kind === 'timeout';
}
