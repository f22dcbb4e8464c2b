/** Acks remembered: at least so many, and less than twice as many. */
export const acksMin = 32_768;

/** Deliveries that were acknowledged a while ago: to acknowledge one twice is a success. Acks are many, so they are dropped by the thousand. */
export class AckedDeliveries {
  #ids = new Set<string>();
  #olderIds = new Set<string>();

  add(deliveryId: string): void {
    this.#ids.add(deliveryId);
    if (this.#ids.size < acksMin) return;
    this.#olderIds = this.#ids;
    this.#ids = new Set();
  }

  has(deliveryId: string): boolean {
    return this.#ids.has(deliveryId) || this.#olderIds.has(deliveryId);
  }
}
