import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from 'node:crypto';

/** Length of the key of a `NumberSeal`. */
export const numberKeyBytes = 16;

/** Length of a sealed number, in characters. */
export const sealedNumberChars = 22;

const blockBytes = 16;
const numberBytes = 6;
const numberAt = blockBytes - numberBytes;
const numberMax = 2 ** (8 * numberBytes) - 1;
/** Numbers that are sealed at once: mostly the next ones are wanted next, and one call costs about as much for all as for one. */
const sealedAtOnce = 16;
/** How base64url writes 16 bytes: of the last character only two bits count, and the others are zero. The decoder would take more. */
const spelling = /^[\w-]{21}[AQgw]$/;
const algorithm = 'aes-128-ecb';

/**
 * Turns numbers below 2^48 into opaque texts that only who has the key can read or make: for what has to be sealed so often that AES-GCM,
 * with a cipher for each text, would cost more than all else that is done with it.
 *
 * The text is base64url of one AES block: ten zero bytes, and the number. A block that nobody made under the key opens to ten zero bytes once
 * in 2^80 times, and one number has one text. So no number may be sealed twice for two meanings.
 */
export class NumberSeal {
  readonly #key: Uint8Array;
  #blocks: Buffer | undefined;
  /** Of the numbers from `#sealedFrom` on. */
  #sealed: Buffer | undefined;
  #sealedFrom = 0;
  #cipher: Cipher | undefined;
  #decipher: Decipher | undefined;

  /** @throws RangeError for a key of another length than `numberKeyBytes`. */
  constructor(key: Uint8Array) {
    if (key.length !== numberKeyBytes) throw new RangeError(`a key for numbers has ${numberKeyBytes} bytes`);
    this.#key = key;
  }

  /** @throws RangeError for what is no whole number from 0 to 2^48 - 1. */
  seal(number: number): string {
    if (!Number.isInteger(number) || number < 0 || number > numberMax)
      throw new RangeError(`${number} cannot be sealed: it is no whole number from 0 to ${numberMax}`);
    const place = number - this.#sealedFrom;
    const sealed = this.#sealed;
    if (sealed === undefined || place < 0 || place >= sealedAtOnce) return textAt(this.#sealFrom(number), 0);
    return textAt(sealed, place);
  }

  /** Undefined for anything but what `seal` returned under this key. */
  open(text: string): number | undefined {
    if (!spelling.test(text)) return undefined;
    const sealed = Buffer.from(text, 'base64url');
    this.#decipher ??= createDecipheriv(algorithm, this.#key, null).setAutoPadding(false);
    const block = this.#decipher.update(sealed);
    let others = 0;
    for (let at = 0; at < numberAt; at += 1) others |= block[at] ?? 0;
    return others === 0 ? block.readUIntBE(numberAt, numberBytes) : undefined;
  }

  /** Seals this number and those behind it. */
  #sealFrom(first: number): Buffer {
    this.#blocks ??= Buffer.alloc(sealedAtOnce * blockBytes);
    for (let place = 0; place < sealedAtOnce; place += 1) {
      const number = Math.min(first + place, numberMax);
      this.#blocks.writeUIntBE(number, place * blockBytes + numberAt, numberBytes);
    }
    // As many blocks come out as go in: a cipher is made once, and keeps nothing from one block to the next.
    this.#cipher ??= createCipheriv(algorithm, this.#key, null).setAutoPadding(false);
    this.#sealed = this.#cipher.update(this.#blocks);
    this.#sealedFrom = first;
    return this.#sealed;
  }
}

function textAt(sealed: Buffer, place: number): string {
  return sealed.toString('base64url', place * blockBytes, (place + 1) * blockBytes);
}
