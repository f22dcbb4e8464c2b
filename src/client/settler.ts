import type { Channel } from '../remoting/channel.ts';
import { Deadline } from '../remoting/deadline.ts';
import type { PopReceipt } from '../remoting/pop-receipt.ts';
import type { Acks } from './acks.ts';
import type { BrokerClocks } from './broker-clocks.ts';
import type { Cluster } from './cluster.ts';
import { ClientError } from './errors.ts';
import type { InFlightMessage, InFlightMessages } from './in-flight-messages.ts';
import type { ClientLog } from './options.ts';
import { changeInvisible } from './pop-requests.ts';
import type { ReleasedMessages } from './released-messages.ts';
import type { Subscriber } from './subscriber.ts';

export interface SettlerParts {
  readonly cluster: Cluster;
  readonly clocks: BrokerClocks;
  readonly acks: Acks;
  readonly released: ReleasedMessages;
  readonly log: ClientLog;
  readonly requestTimeoutMs: number;
}

/**
 * Spends the receipts of one subscriber: acks, renewals, releases. A receipt that is spent twice delivers the message again, so of one
 * message only one of them is under way at a time.
 */
export class Settler {
  readonly #parts: SettlerParts;
  readonly #subscriber: Subscriber;

  constructor(parts: SettlerParts, subscriber: Subscriber) {
    this.#parts = parts;
    this.#subscriber = subscriber;
  }

  /**
   * Ends the delivery of a message.
   * @param inFlight where the message is in flight, if it is so here.
   * @throws ClientError `expired`, `noRoute`, `noBroker`; RemotingError, ResponseError.
   */
  async ack(receipt: PopReceipt, inFlight: InFlightMessages | undefined, deadline: Deadline): Promise<void> {
    const message = inFlight?.find(receipt);
    // Not under the deadline of one caller: until it is over the message must be left alone.
    if (inFlight === undefined || message === undefined) {
      await deadline.wait(this.#ack(receipt, receipt), 'an ack');
      return;
    }
    message.acking ??= this.#ackInFlight(message, inFlight);
    await deadline.wait(message.acking, 'an ack');
  }

  /** Keeps a message invisible for so much longer. Never fails: one that could not be renewed is visible when its time is over. */
  async renew(message: InFlightMessage, durationMs: number): Promise<void> {
    const deadline = Deadline.after(this.#parts.requestTimeoutMs);
    try {
      message.receipt = await this.#change(message.receipt, Math.ceil(durationMs), deadline);
      message.visibleAtMs = performance.now() + durationMs;
    } catch (error) {
      this.#warn(error, 'a message could not be kept invisible');
    }
  }

  /** Acks of these messages fail from now on: they are about to be released. */
  refuseAcks(messages: readonly InFlightMessage[]): void {
    for (const { handedOut } of messages) this.#parts.released.add(this.#subscriber, handedOut);
  }

  /** Makes a message visible again unless it was acknowledged. Never fails: it becomes visible when its time is over. */
  async release(message: InFlightMessage, deadline: Deadline): Promise<void> {
    await message.renewing;
    const acked =
      (await message.acking?.then(
        () => true,
        () => false,
      )) ?? false;
    if (!acked && message.visibleAtMs > performance.now()) await this.#release(message.receipt, deadline);
  }

  /** As `release`, for what was never handed out. */
  async releaseUnread(receipt: PopReceipt, deadline: Deadline): Promise<void> {
    if (this.#isVisible(receipt)) return;
    this.#parts.released.add(this.#subscriber, receipt);
    await this.#release(receipt, deadline);
  }

  async #ackInFlight(message: InFlightMessage, inFlight: InFlightMessages): Promise<void> {
    try {
      if (message.renewing !== undefined) await message.renewing;
      await this.#ack(message.receipt, message.handedOut);
      inFlight.remove(message.handedOut);
      this.#parts.released.delete(this.#subscriber, message.handedOut);
    } finally {
      message.acking = undefined;
    }
  }

  async #ack(receipt: PopReceipt, handedOut: PopReceipt): Promise<void> {
    if (this.#parts.released.has(this.#subscriber, handedOut)) {
      throw new ClientError('expired', 'the message was given back when its stream ended; it is delivered again');
    }
    if (this.#isVisible(receipt)) {
      throw new ClientError(
        'expired',
        `the ack came after the ${receipt.invisibleDurationMs} ms that a receiver has; the message is delivered again`,
      );
    }
    const channel = await this.#channelOf(receipt, Deadline.after(this.#parts.requestTimeoutMs));
    await this.#parts.acks.ack(this.#subscriber, receipt, channel);
  }

  async #release(receipt: PopReceipt, deadline: Deadline): Promise<void> {
    try {
      await this.#change(receipt, 0, deadline);
    } catch (error) {
      this.#warn(error, 'a message could not be given back; it is visible when its time is over');
    }
  }

  async #change(receipt: PopReceipt, durationMs: number, deadline: Deadline): Promise<PopReceipt> {
    const channel = await this.#channelOf(receipt, deadline);
    return changeInvisible(this.#subscriber, receipt, durationMs, channel, deadline);
  }

  #isVisible({ popTimeMs, invisibleDurationMs, brokerName }: PopReceipt): boolean {
    return popTimeMs + invisibleDurationMs <= this.#parts.clocks.now(brokerName);
  }

  async #channelOf(receipt: PopReceipt, deadline: Deadline): Promise<Channel> {
    const { cluster } = this.#parts;
    const { topic } = this.#subscriber;
    const route = await cluster.routes.find(topic, deadline);
    if (route === undefined) throw new ClientError('noRoute', `topic ${topic} does not exist any more`);
    return cluster.broker(route, receipt.brokerName, deadline);
  }

  #warn(error: unknown, message: string): void {
    this.#parts.log.warn({ err: error, ...this.#subscriber }, message);
  }
}
