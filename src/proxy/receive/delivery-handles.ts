import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { PullClaim } from '../../client/receipt.ts';
import { SealError, type Sealer } from '../session/seal.ts';
import { NumberSeal, numberKeyBytes, sealedNumberChars } from '../session/seal-numbers.ts';

/** Most stems that are kept; one that is not kept is sealed anew, or opened again. */
export const stemsMax = 1_024;

/** Stands between the two parts of a handle; base64url has it not. */
const separator = '.';
/** Stands between the parts of a stem, none of which has it. */
const mark = '|';

/** Whose deliveries a handle may be one of. */
export interface HandedOut {
  /** Who may settle them. */
  readonly owner: string;
  /** The process that hands them out, as `Instance` says it. */
  readonly by: string;
  /** Of the client that hands them out. */
  readonly clientMark: string;
}

/** What a handle stands for. */
export interface OpenedDelivery {
  readonly owner: string;
  readonly by: string;
  readonly claim: PullClaim;
}

interface Stem extends HandedOut {
  readonly text: string;
  readonly numbers: NumberSeal;
}

/**
 * Handles of deliveries by pull, which nobody but the process that hands them out knows more of than a number. What they have in common is
 * sealed once, with a key for numbers in it: the stem. A handle is its stem, a dot, and the number of its delivery, sealed with that key.
 * So who can open a stem, on any instance, can tell its handles from forged ones; and a handle costs one AES block, not a cipher of its own.
 */
export class DeliveryHandles {
  readonly #sealer: Sealer;
  /** By their texts. Only what was sealed here or opened is kept, so that forged texts push nothing out. */
  readonly #stems = new LRUCache<string, Stem>({ max: stemsMax });
  /** Those that were sealed here, by what they stand for. */
  readonly #own = new LRUCache<string, Stem>({ max: stemsMax });
  /** Used last: most follow others of the same stem. */
  #last: Stem | undefined;

  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  seal(from: HandedOut, deliveryNumber: number): string {
    const stem = isOf(this.#last, from) ? this.#last : this.#ownStem(from);
    this.#last = stem;
    return stem.text + separator + stem.numbers.seal(deliveryNumber);
  }

  /** Whether a text may be such a handle: no other kind has a dot. */
  isLike(handle: string): boolean {
    return handle.includes(separator);
  }

  /**
   * @throws SealError for anything but what `seal` returned under one of the sealer's keys. Whatever is wrong with the text, that takes as long
   * as a refusal by the sealer.
   */
  open(handle: string): OpenedDelivery {
    const dotAt = handle.length - sealedNumberChars - 1;
    const last = this.#last;
    const isOfLast = last?.text.length === dotAt && handle.startsWith(last.text);
    const { owner, by, clientMark, numbers } = isOfLast ? last : this.#stemOf(handle.slice(0, Math.max(0, dotAt)));
    const deliveryNumber = handle[dotAt] === separator ? numbers.open(handle.slice(dotAt + 1)) : undefined;
    if (deliveryNumber === undefined) {
      this.#sealer.spend('deliveries');
      throw new SealError();
    }
    return { owner, by, claim: { clientMark, deliveryNumber } };
  }

  /** Forgets all stems: the sealer's keys have changed. */
  clear(): void {
    this.#stems.clear();
    this.#own.clear();
    this.#last = undefined;
  }

  #ownStem(from: HandedOut): Stem {
    const name = nameOf(from);
    const known = this.#own.get(name);
    if (known !== undefined) return known;
    const key = randomBytes(numberKeyBytes);
    const text = this.#sealer.seal('deliveries', Buffer.concat([key, Buffer.from(name)]));
    const { owner, by, clientMark } = from;
    const stem = { text, owner, by, clientMark, numbers: new NumberSeal(key) };
    this.#own.set(name, stem);
    this.#stems.set(text, stem);
    return stem;
  }

  /** @throws SealError */
  #stemOf(text: string): Stem {
    const known = this.#stems.get(text);
    if (known !== undefined) return known;
    const payload = this.#sealer.open('deliveries', text);
    const numbers = new NumberSeal(payload.subarray(0, numberKeyBytes));
    const [owner = '', by = '', clientMark = ''] = payload.toString('utf8', numberKeyBytes).split(mark);
    const stem = { text, owner, by, clientMark, numbers };
    this.#stems.set(text, stem);
    return stem;
  }
}

function nameOf({ owner, by, clientMark }: HandedOut): string {
  return owner + mark + by + mark + clientMark;
}

function isOf(stem: Stem | undefined, { owner, by, clientMark }: HandedOut): stem is Stem {
  return stem?.clientMark === clientMark && stem.owner === owner && stem.by === by;
}
