import type { PopReceipt } from '../remoting/pop-receipt.ts';

/** A message that was handed out and not yet acknowledged. */
export interface InFlightMessage {
  /** The receipt that the broker takes now; a renewal replaces it. */
  receipt: PopReceipt;
  /** When the message was first handed out, on the monotonic clock, in ms. */
  readonly handedOutAtMs: number;
  /** When the broker makes it visible again, on the monotonic clock, in ms. */
  visibleAtMs: number;
  /** A renewal under way; an ack waits for it, since it decides which receipt is good. */
  renewing: Promise<void> | undefined;
}

/** What one stream has handed out: how much more it may, and what to give back when it ends. */
export class InFlightMessages {
  readonly #messagesMax: number;
  readonly #messages = new Map<string, InFlightMessage>();
  readonly #waiting = new Set<() => void>();

  constructor(messagesMax: number) {
    this.#messagesMax = messagesMax;
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
    const handedOutAtMs = performance.now();
    this.#messages.set(receiptKey(receipt), { receipt, handedOutAtMs, visibleAtMs, renewing: undefined });
  }

  /** The message that was handed out with this receipt, if it is still in flight here. */
  find(handedOut: PopReceipt): InFlightMessage | undefined {
    return this.#messages.get(receiptKey(handedOut));
  }

  remove(handedOut: PopReceipt): void {
    if (this.#messages.delete(receiptKey(handedOut))) this.#wake();
  }

  /** Forgets what the broker has made visible again: its receipt is worth nothing any more. */
  removeExpired(nowMs: number): void {
    let removed = false;
    for (const [key, { visibleAtMs }] of this.#messages) {
      if (visibleAtMs <= nowMs) removed = this.#messages.delete(key) || removed;
    }
    if (removed) this.#wake();
  }

  /** Resolves the next time that a message leaves. */
  left(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }
}

/** Names one delivery of one message; a later delivery of it has another pop time. */
export function receiptKey({ brokerName, retry, queueId, queueOffset, popTimeMs }: PopReceipt): string {
  return `${brokerName} ${retry} ${queueId} ${queueOffset} ${popTimeMs}`;
}
