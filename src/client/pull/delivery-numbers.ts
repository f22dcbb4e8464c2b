import { randomBytes } from 'node:crypto';

/** Deliveries whose acks are remembered, since to acknowledge a message twice is a success: the newest so many. A power of two. */
export const rememberedMax = 131_072;

/** Numbers the deliveries of one client, and remembers which of them were acknowledged: one bit for each of the newest. */
export class DeliveryNumbers {
  /** Tells this client's deliveries from all others': letters and digits. */
  readonly clientMark = randomBytes(8).toString('hex');
  /** The bit of a number is the number modulo `rememberedMax`. */
  readonly #acked = new Uint8Array(rememberedMax / 8);
  #last = 0;

  next(): number {
    this.#last += 1;
    const place = this.#last % rememberedMax;
    this.#acked[place >>> 3] = this.#byteOf(place) & ~(1 << (place & 7));
    return this.#last;
  }

  /** Nothing for one that is not remembered any more. */
  acknowledged(number: number): void {
    const place = number % rememberedMax;
    if (this.#isRemembered(number)) this.#acked[place >>> 3] = this.#byteOf(place) | (1 << (place & 7));
  }

  isAcknowledged(number: number): boolean {
    const place = number % rememberedMax;
    return this.#isRemembered(number) && (this.#byteOf(place) & (1 << (place & 7))) !== 0;
  }

  #isRemembered(number: number): boolean {
    return number >= 1 && number > this.#last - rememberedMax && number <= this.#last;
  }

  #byteOf(place: number): number {
    return this.#acked[place >>> 3] ?? 0;
  }
}
