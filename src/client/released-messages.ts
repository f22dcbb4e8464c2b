import { LRUCache } from 'lru-cache';
import type { PopReceipt } from '../remoting/pop-receipt.ts';
import { receiptKey } from './in-flight-messages.ts';
import type { Subscriber } from './subscriber.ts';

const receiptsMax = 65_536;

/**
 * Receipts that were spent here because their stream ended: brokers answer success to an ack with a spent receipt, and deliver the
 * message again all the same.
 */
export class ReleasedMessages {
  /** A cache with sizes grows with use; one with a `max` takes all of its memory at once, for every client. */
  readonly #receipts = new LRUCache<string, true>({ maxSize: receiptsMax, sizeCalculation: () => 1 });

  add(subscriber: Subscriber, receipt: PopReceipt): void {
    this.#receipts.set(keyOf(subscriber, receipt), true, { ttl: Math.max(1, receipt.invisibleDurationMs) });
  }

  delete(subscriber: Subscriber, receipt: PopReceipt): void {
    if (this.#receipts.size > 0) this.#receipts.delete(keyOf(subscriber, receipt));
  }

  has(subscriber: Subscriber, receipt: PopReceipt): boolean {
    return this.#receipts.size > 0 && this.#receipts.has(keyOf(subscriber, receipt));
  }
}

/** A receipt does not say whose it is: in one millisecond, two topics may have the same one. */
function keyOf({ group, topic }: Subscriber, receipt: PopReceipt): string {
  return `${group} ${topic} ${receiptKey(receipt)}`;
}
