import type { PopReceipt } from '../remoting/pop-receipt.ts';

/** A message that was handed out and not yet acknowledged. Its receipt is spent by one at a time. */
export interface InFlightMessage {
  /** The receipt that the reader has. */
  readonly handedOut: PopReceipt;
  /** The receipt that the broker takes now; a renewal replaces it. */
  receipt: PopReceipt;
  /** When the message was handed out, on the monotonic clock, in ms. */
  readonly handedOutAtMs: number;
  /** When the broker makes it visible again, on the monotonic clock, in ms. */
  visibleAtMs: number;
  /** A renewal under way, which never fails; who spends the receipt next waits for it. */
  renewing: Promise<void> | undefined;
  /** An ack under way, which all who acknowledge the message meanwhile share. */
  acking: Promise<void> | undefined;
}

/** What one stream has handed out: how much more it may, and what to give back when it ends. */
export class InFlightMessages {
  readonly #messagesMax: number;
  readonly #onRoom: () => void;
  readonly #messages = new Map<string, InFlightMessage>();

  /** @param onRoom called when there is room again after there was none. */
  constructor(messagesMax: number, onRoom: () => void = () => {}) {
    this.#messagesMax = messagesMax;
    this.#onRoom = onRoom;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** How many more messages may be handed out. */
  get room(): number {
    return Math.max(0, this.#messagesMax - this.#messages.size);
  }

  get all(): readonly InFlightMessage[] {
    return [...this.#messages.values()];
  }

  add(receipt: PopReceipt, visibleAtMs: number): void {
    this.#messages.set(receiptKey(receipt), {
      handedOut: receipt,
      receipt,
      handedOutAtMs: performance.now(),
      visibleAtMs,
      renewing: undefined,
      acking: undefined,
    });
  }

  /** The message that was handed out with this receipt, if it is still in flight here. */
  find(handedOut: PopReceipt): InFlightMessage | undefined {
    return this.#messages.get(receiptKey(handedOut));
  }

  remove(handedOut: PopReceipt): void {
    const wasFull = this.room === 0;
    this.#messages.delete(receiptKey(handedOut));
    if (wasFull && this.room > 0) this.#onRoom();
  }

  /** Forgets what the broker has made visible again: its receipt is worth nothing any more. */
  removeExpired(nowMs: number): void {
    for (const { handedOut, visibleAtMs, renewing, acking } of this.#messages.values()) {
      if (visibleAtMs <= nowMs && renewing === undefined && acking === undefined) this.remove(handedOut);
    }
  }
}

/** Names one delivery of one message to one subscriber; a later delivery of it has another pop time. */
export function receiptKey({ brokerName, retry, queueId, queueOffset, popTimeMs }: PopReceipt): string {
  return `${brokerName} ${retry} ${queueId} ${queueOffset} ${popTimeMs}`;
}
