import { LRUCache } from 'lru-cache';
import type { PopReceipt } from '../../remoting/pop-receipt.ts';
import { RecentSet } from '../recent-set.ts';
import type { Subscriber } from '../subscriber.ts';
import { receiptKey } from './in-flight-messages.ts';

/** How a receipt was spent here: by its ack; because its message was given back; because another receipt replaced it. */
export type Spent = 'acknowledged' | 'givenBack' | 'replaced';

/** Receipts remembered of those that were spent otherwise than by an ack. */
const receiptsMax = 65_536;
/** Acks remembered: at least so many, and less than twice as many. */
export const acksMin = 8_192;

/**
 * Receipts that were spent here. Brokers answer success to whatever is done with a spent receipt: an ack then counts for nothing, and
 * a change of the duration makes a second delivery of the same message.
 */
export class SpentReceipts {
  /** A cache with sizes grows with use; one with a `max` takes all of its memory at once, for every client. */
  readonly #receipts = new LRUCache<string, Exclude<Spent, 'acknowledged'>>({
    maxSize: receiptsMax,
    sizeCalculation: () => 1,
  });
  readonly #acks = new RecentSet(acksMin);

  /** Remembered until the receipt would be late anyway. */
  add(subscriber: Subscriber, receipt: PopReceipt, how: Exclude<Spent, 'acknowledged'>): void {
    this.#receipts.set(nameOf(subscriber, receiptKey(receipt)), how, { ttl: Math.max(1, receipt.invisibleDurationMs) });
  }

  addAcknowledged(subscriber: Subscriber, key: string): void {
    this.#acks.add(subscriber, key);
  }

  /** It was not spent after all. */
  delete(subscriber: Subscriber, receipt: PopReceipt): void {
    this.#receipts.delete(nameOf(subscriber, receiptKey(receipt)));
  }

  /** Undefined for one that was not spent here, or long ago. */
  find(subscriber: Subscriber, key: string): Spent | undefined {
    return this.#acks.has(subscriber, key) ? 'acknowledged' : this.findReturned(subscriber, key);
  }

  /** As `find`, of a receipt that is surely not acknowledged. */
  findReturned(subscriber: Subscriber, key: string): Exclude<Spent, 'acknowledged'> | undefined {
    return this.#receipts.size > 0 ? this.#receipts.get(nameOf(subscriber, key)) : undefined;
  }
}

/** A receipt does not say whose it is: in one millisecond, two topics may have the same one. */
function nameOf({ group, topic }: Subscriber, key: string): string {
  return `${group} ${topic} ${key}`;
}
