import { LRUCache } from 'lru-cache';

const deliveriesMax = 65_536;

/** Deliveries that were acknowledged a while ago, newest kept: to acknowledge one twice is a success. */
export class AckedDeliveries {
  /** A cache with sizes grows with use; one with a `max` takes all of its memory at once, for every client. */
  readonly #ids = new LRUCache<string, true>({ maxSize: deliveriesMax, sizeCalculation: () => 1 });

  add(deliveryId: string): void {
    this.#ids.set(deliveryId, true);
  }

  has(deliveryId: string): boolean {
    return this.#ids.has(deliveryId);
  }
}
