import type { Channel } from '../../remoting/channel.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import type { PopReceipt } from '../../remoting/pop-receipt.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { BrokerClocks } from '../cluster/broker-clocks.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ClientError } from '../errors.ts';
import type { ClientLog } from '../options.ts';
import type { Subscriber } from '../subscriber.ts';
import { type Acks, ackTimeoutMs } from './acks.ts';
import { type InFlightMessage, InFlightMessages, receiptKey } from './in-flight-messages.ts';
import type { LiveStreams } from './live-streams.ts';
import { changeInvisible } from './pop-requests.ts';
import type { Spent, SpentReceipts } from './spent-receipts.ts';

/** Longest that a message may be made to wait by `nack` or `changeInvisibleDuration`, in ms: 12 h, as Java's proxies allow. */
export const changedDurationMsMax = 43_200_000;

export interface SettlerParts {
  readonly cluster: Cluster;
  readonly clocks: BrokerClocks;
  readonly acks: Acks;
  readonly spentReceipts: SpentReceipts;
  readonly liveStreams: LiveStreams;
  readonly log: ClientLog;
  readonly requestTimeoutMs: number;
}

/**
 * Spends the receipts of one subscriber: acks, nacks, other durations, renewals, releases. A receipt that is spent twice delivers the
 * message again, so of one message only one of them is under way at a time, and what is spent is remembered.
 */
export class Settler {
  readonly #parts: SettlerParts;
  readonly #subscriber: Subscriber;
  readonly #isRenewed: boolean;
  /** Messages that are not in flight here, while something is done with them. */
  #guests: InFlightMessages | undefined;

  /** @param isRenewed whether this group's consumers, others than ours too, renew what is not acknowledged in half of its time. */
  constructor(parts: SettlerParts, subscriber: Subscriber, isRenewed: boolean) {
    this.#parts = parts;
    this.#subscriber = subscriber;
    this.#isRenewed = isRenewed;
  }

  // What follows is not done under the deadline of its caller: until it is over the message must be left alone.

  /**
   * Ends the delivery of a message.
   * @throws ClientError `expired`, `noRoute`, `noBroker`, `outcomeUnknown` where who handed the message out may have renewed it;
   * RemotingError, ResponseError.
   */
  ack(receipt: PopReceipt, deadline: Deadline): Promise<void> {
    const key = receiptKey(receipt);
    const message = this.#messageOf(receipt, key);
    const isFirst = message.busy === undefined;
    const channel = isFirst ? this.#parts.cluster.brokerAtHand(this.#subscriber.topic, receipt.brokerName) : undefined;
    const acked = this.#alone(message, () => this.#ack(message, receipt, key, channel));
    // Where nothing is waited for but the broker, an ack has an end of its own: most need no timer each.
    const hasTime = deadline.signal === undefined && deadline.remainingMs() >= ackTimeoutMs;
    return channel !== undefined && hasTime ? acked : deadline.wait(acked, 'an ack');
  }

  /**
   * Makes a message visible again after `delayMs`, 0 to `changedDurationMsMax`.
   * @throws ClientError `invalid`, and as `ack`.
   */
  async nack(receipt: PopReceipt, delayMs: number, deadline: Deadline): Promise<void> {
    checkDuration('delayMs', delayMs, 0);
    const message = this.#messageOf(receipt, receiptKey(receipt));
    await deadline.wait(
      this.#alone(message, async () => {
        await this.#spend(message, receipt, 'givenBack', delayMs);
        message.owner.remove(message);
      }),
      'a nack',
    );
  }

  /**
   * Keeps a message invisible for `durationMs` from now on, 1 to `changedDurationMsMax`; the receipt returned is the only good one then.
   * @throws ClientError `invalid`, and as `ack`.
   */
  async change(receipt: PopReceipt, durationMs: number, deadline: Deadline): Promise<PopReceipt> {
    checkDuration('durationMs', durationMs, 1);
    const message = this.#messageOf(receipt, receiptKey(receipt));
    return deadline.wait(
      this.#alone(message, async () => {
        const visibleAtMs = performance.now() + durationMs;
        const next = await this.#spend(message, receipt, 'replaced', durationMs);
        // Of ordered POPs brokers keep the time at which they took place, which is what receipts are known by here.
        if (receiptKey(next) === receiptKey(receipt)) this.#parts.spentReceipts.delete(this.#subscriber, receipt);
        message.isTimedByReader = true;
        message.owner.replace(message, next, visibleAtMs);
        return next;
      }),
      'a change of the invisible duration',
    );
  }

  /** Keeps a message invisible for so much longer. Never fails: one that could not be renewed is visible when its time is over. */
  async renew(message: InFlightMessage, durationMs: number): Promise<void> {
    await this.#alone(message, async () => {
      if (!message.owner.has(message)) return;
      const visibleAtMs = performance.now() + durationMs;
      try {
        message.receipt = await this.#change(message.receipt, Math.ceil(durationMs), this.#deadline());
        message.visibleAtMs = visibleAtMs;
      } catch (error) {
        if (isOutcomeUnknown(error)) message.renewalLost = error;
        this.#warn(error, 'a message could not be kept invisible');
      }
    });
  }

  /** Acks of these messages fail from now on: they are about to be released. */
  refuseAcks(messages: readonly InFlightMessage[]): void {
    for (const { handedOut } of messages) this.#parts.spentReceipts.add(this.#subscriber, handedOut, 'givenBack');
  }

  /** Makes a message visible again unless it is settled. Never fails: it becomes visible when its time is over. */
  async release(message: InFlightMessage, deadline: Deadline): Promise<void> {
    await this.#alone(message, async () => {
      const { owner, isAckLost, renewalLost, visibleAtMs } = message;
      if (!owner.has(message) || isAckLost || renewalLost !== undefined || visibleAtMs <= performance.now()) return;
      this.#parts.spentReceipts.add(this.#subscriber, message.handedOut, 'givenBack');
      await this.#release(message.receipt, deadline);
    });
  }

  /** As `release`, for what was never handed out. */
  async releaseUnread(receipt: PopReceipt, deadline: Deadline): Promise<void> {
    if (this.#isVisible(receipt)) return;
    this.#parts.spentReceipts.add(this.#subscriber, receipt, 'givenBack');
    await this.#release(receipt, deadline);
  }

  #messageOf(receipt: PopReceipt, key: string): InFlightMessage {
    const { liveStreams } = this.#parts;
    const known = liveStreams.find(this.#subscriber, key) ?? this.#guests?.find(key);
    if (known !== undefined) return known;
    this.#guests ??= new InFlightMessages(Number.POSITIVE_INFINITY);
    return this.#guests.add(receipt, Number.POSITIVE_INFINITY);
  }

  /** Does something with a message when nothing else is done with it. */
  #alone<T>(message: InFlightMessage, work: () => Promise<T>): Promise<T> {
    const result = message.busy === undefined ? work() : message.busy.then(work);
    const done = (): void => {
      if (message.busy !== over) return;
      message.busy = undefined;
      if (message.owner === this.#guests) this.#guests.remove(message);
    };
    const over = result.then(done, done);
    message.busy = over;
    return result;
  }

  /** @param atHand the connection to its broker, if that is known and open. */
  async #ack(message: InFlightMessage, receipt: PopReceipt, key: string, atHand: Channel | undefined): Promise<void> {
    const { spentReceipts, acks } = this.#parts;
    // What is in flight is not acknowledged.
    const isInFlight = message.owner !== this.#guests && message.owner.has(message);
    const spent = isInFlight
      ? spentReceipts.findReturned(this.#subscriber, key)
      : spentReceipts.find(this.#subscriber, key);
    if (spent === 'acknowledged') return;
    this.#checkOpen(message, spent);
    const channel = atHand ?? (await this.#channelOf(message.receipt, this.#deadline()));
    try {
      await acks.ack(this.#subscriber, message.receipt, channel);
    } catch (error) {
      message.isAckLost ||= isOutcomeUnknown(error);
      throw refused(error);
    }
    message.owner.remove(message);
    if (message.renewalLost !== undefined) {
      spentReceipts.add(this.#subscriber, receipt, 'replaced');
      throw lostRenewal(message.renewalLost);
    }
    // Brokers take acks that come too late as any others: those of a batch, and Java's all of them.
    if (this.#isVisible(message.receipt)) throw late(message.receipt);
    if (this.#mayBeReplaced(message)) throw renewedElsewhere();
    spentReceipts.addAcknowledged(this.#subscriber, key);
  }

  /** Where it is unknown whether the broker did it, the receipt is spent all the same: nobody must do it again. */
  async #spend(message: InFlightMessage, receipt: PopReceipt, how: 'givenBack' | 'replaced', durationMs: number) {
    const { spentReceipts } = this.#parts;
    this.#checkOpen(message, spentReceipts.find(this.#subscriber, receiptKey(receipt)));
    if (message.renewalLost !== undefined) throw lostRenewal(message.renewalLost);
    if (this.#mayBeReplaced(message)) throw renewedElsewhere();
    spentReceipts.add(this.#subscriber, receipt, how);
    try {
      return await this.#change(message.receipt, durationMs, this.#deadline());
    } catch (error) {
      const failure = refused(error);
      const isOver = isOutcomeUnknown(error) || (failure instanceof ClientError && failure.kind === 'expired');
      if (isOver) message.owner.remove(message);
      else spentReceipts.delete(this.#subscriber, receipt);
      throw failure;
    }
  }

  /** @throws ClientError `expired`. */
  #checkOpen({ receipt }: InFlightMessage, spent: Spent | undefined): void {
    switch (spent) {
      case 'acknowledged':
        throw new ClientError('expired', 'the message is acknowledged already');
      case 'givenBack':
        throw new ClientError(
          'expired',
          'the message was given back, by a nack or by the end of its stream; it is delivered again',
        );
      case 'replaced':
        throw new ClientError(
          'expired',
          'another receipt has replaced this one; use the one that the last change gave',
        );
      case undefined:
        break;
    }
    if (this.#isVisible(receipt)) throw late(receipt);
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

  /** Of what others handed out: whether half of its time is over, when renewals begin. Brokers say success to a receipt that one replaced. */
  #mayBeReplaced({ owner, receipt }: InFlightMessage): boolean {
    if (!this.#isRenewed || owner !== this.#guests) return false;
    const { popTimeMs, invisibleDurationMs, brokerName } = receipt;
    return popTimeMs + invisibleDurationMs / 2 <= this.#parts.clocks.now(brokerName);
  }

  async #channelOf(receipt: PopReceipt, deadline: Deadline): Promise<Channel> {
    const { cluster } = this.#parts;
    const { topic } = this.#subscriber;
    const route = await cluster.routes.find(topic, deadline);
    if (route === undefined) throw new ClientError('noRoute', `topic ${topic} does not exist any more`);
    return cluster.broker(route, receipt.brokerName, deadline);
  }

  #deadline(): Deadline {
    return Deadline.after(this.#parts.requestTimeoutMs);
  }

  #warn(error: unknown, message: string): void {
    this.#parts.log.warn({ err: error, ...this.#subscriber }, message);
  }
}

function checkDuration(name: string, durationMs: number, durationMsMin: number): void {
  if (Number.isInteger(durationMs) && durationMs >= durationMsMin && durationMs <= changedDurationMsMax) return;
  throw new ClientError(
    'invalid',
    `${name} is a whole number of ms from ${durationMsMin} to ${changedDurationMsMax}, not ${durationMs}`,
  );
}

/** True when the broker may have done it. */
function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof RemotingError && (error.outcomeUnknown || error.kind === 'malformed');
}

/** Brokers that know receipts that are good for nothing say NO_MESSAGE. */
function refused(error: unknown): unknown {
  if (!(error instanceof ResponseError) || error.code !== ResponseCode.NO_MESSAGE) return error;
  return new ClientError('expired', 'the broker has no message by this receipt any more; it is delivered again', error);
}

function late({ invisibleDurationMs }: PopReceipt): ClientError {
  return new ClientError(
    'expired',
    `the receipt came after the ${invisibleDurationMs} ms that a receiver has; the message is delivered again`,
  );
}

function lostRenewal(cause: unknown): RemotingError {
  return new RemotingError(
    'timeout',
    'a renewal of the message got no answer, so nobody knows its receipt: it may be delivered again',
    { outcomeUnknown: true, cause },
  );
}

function renewedElsewhere(): ClientError {
  return new ClientError(
    'outcomeUnknown',
    'who handed out the message is gone, and may have renewed it: its receipt may be good for nothing, and the message come again',
  );
}
