import type { PopReceipt } from '../../remoting/pop-receipt.ts';

/** A message that was handed out and not yet settled. Its receipt is spent by one at a time. */
export interface InFlightMessage {
  /** Where it is in flight. */
  readonly owner: InFlightMessages;
  /** Of `handedOut`. */
  key: string;
  /** The receipt that the reader has to use; the last that it was given. */
  handedOut: PopReceipt;
  /** The receipt that the broker takes now; a renewal replaces it. */
  receipt: PopReceipt;
  /** When the message was handed out, on the monotonic clock, in ms. */
  readonly handedOutAtMs: number;
  /** When the broker makes it visible again, on the monotonic clock, in ms. */
  visibleAtMs: number;
  /** Its reader has said how long it stays invisible, so nothing renews it. */
  isTimedByReader: boolean;
  /** What is done with the receipt now, which never fails; who comes next waits for it. */
  busy: Promise<void> | undefined;
  /** An ack of it got no answer: it may be acknowledged, so it is not given back. */
  isAckLost: boolean;
  /** Why a renewal got no answer: the receipt may be spent, and spending it twice makes two deliveries. Undefined: it is good. */
  renewalLost: unknown;
}

/** What one stream has handed out: how much more it may, and what to give back when it ends. */
export class InFlightMessages {
  readonly #messagesMax: number;
  readonly #onRemoved: (message: InFlightMessage, wasFull: boolean) => void;
  readonly #messages = new Map<string, InFlightMessage>();

  /** @param onRemoved called with each message that is in flight no longer, and whether there was no room before. */
  constructor(messagesMax: number, onRemoved: (message: InFlightMessage, wasFull: boolean) => void = ignore) {
    this.#messagesMax = messagesMax;
    this.#onRemoved = onRemoved;
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

  add(receipt: PopReceipt, visibleAtMs: number): InFlightMessage {
    const message: InFlightMessage = {
      owner: this,
      key: receiptKey(receipt),
      handedOut: receipt,
      receipt,
      handedOutAtMs: performance.now(),
      visibleAtMs,
      isTimedByReader: false,
      busy: undefined,
      isAckLost: false,
      renewalLost: undefined,
    };
    this.#messages.set(message.key, message);
    return message;
  }

  /** The message that was handed out with the receipt of this key, if it is still in flight here. */
  find(key: string): InFlightMessage | undefined {
    return this.#messages.get(key);
  }

  has(message: InFlightMessage): boolean {
    return this.#messages.get(message.key) === message;
  }

  /** From now on the reader has another receipt of the message. */
  replace(message: InFlightMessage, receipt: PopReceipt, visibleAtMs: number): void {
    if (!this.#delete(message)) return;
    message.handedOut = receipt;
    message.receipt = receipt;
    message.visibleAtMs = visibleAtMs;
    message.key = receiptKey(receipt);
    this.#messages.set(message.key, message);
  }

  remove(message: InFlightMessage): void {
    const wasFull = this.room === 0;
    if (this.#delete(message)) this.#onRemoved(message, wasFull);
  }

  /** Forgets what the broker has made visible again: its receipt is worth nothing any more. */
  removeExpired(nowMs: number): void {
    for (const message of this.#messages.values()) {
      if (message.visibleAtMs <= nowMs && message.busy === undefined) this.remove(message);
    }
  }

  #delete(message: InFlightMessage): boolean {
    return this.has(message) && this.#messages.delete(message.key);
  }
}

/** Names one delivery of one message to one subscriber; a later delivery of it has another pop time. */
export function receiptKey({ brokerName, retry, queueId, queueOffset, popTimeMs }: PopReceipt): string {
  return `${brokerName} ${retry} ${queueId} ${queueOffset} ${popTimeMs}`;
}

function ignore(): void {}
