import { LRUCache } from 'lru-cache';
import type { PopReceipt } from '../remoting/pop-receipt.ts';
import { receiptKey } from './in-flight-messages.ts';

const receiptsMax = 65_536;

/**
 * Receipts that were spent here because their stream ended: brokers answer success to an ack with a spent receipt, and deliver the
 * message again all the same.
 */
export class ReleasedMessages {
  /** A cache with sizes grows with use; one with a `max` takes all of its memory at once, for every client. */
  readonly #receipts = new LRUCache<string, true>({ maxSize: receiptsMax, sizeCalculation: () => 1 });

  add(receipt: PopReceipt): void {
    this.#receipts.set(receiptKey(receipt), true, { ttl: Math.max(1, receipt.invisibleDurationMs) });
  }

  delete(receipt: PopReceipt): void {
    this.#receipts.delete(receiptKey(receipt));
  }

  has(receipt: PopReceipt): boolean {
    return this.#receipts.has(receiptKey(receipt));
  }
}
