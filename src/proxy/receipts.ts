import { decodeReceipt, encodeReceipt, type Receipt } from '../client/receipt.ts';
import { invalid } from './failures.ts';
import { Instance, type PeerAddress, readPeerAddress } from './instance.ts';
import { SealError, type Sealer } from './seal.ts';

const ownerLength = 12;
/** Ends the part that says who handed the message out; neither ids nor addresses have it. */
const mark = '|';

/** Handles that are remembered of those that were sealed here and have not come back: at least so many, and less than twice as many. */
export const handlesMin = 8_192;

/** What a handle stands for. */
export interface OpenedReceipt {
  readonly receipt: Receipt;
  /** The process that handed the message out, where that is another one than ours. */
  readonly peer: PeerAddress | undefined;
}

interface Remembered extends OpenedReceipt {
  readonly owner: string;
}

/**
 * Handles that were sealed here, which mostly come back here, and once: to decrypt one takes longer than all else that an ack does. They are
 * texts that nobody can guess, so who has one was given it.
 */
class SealedHere {
  #newer = new Map<string, Remembered>();
  #older = new Map<string, Remembered>();

  add(handle: string, remembered: Remembered): void {
    if (this.#newer.size >= handlesMin) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(handle, remembered);
  }

  /** What it stands for, where that is remembered; it is not from now on. */
  take(handle: string, owner: string): Remembered | undefined {
    const from = this.#newer.has(handle) ? this.#newer : this.#older;
    const remembered = from.get(handle);
    if (remembered?.owner !== owner) return undefined;
    from.delete(handle);
    return remembered;
  }

  clear(): void {
    this.#newer = new Map();
    this.#older = new Map();
  }
}

/** Receipt handles: sealed, since RocketMQ's own are plain numbers that anybody can guess, and bound to group, topic and cluster. */
export class Receipts {
  readonly #sealer: Sealer;
  readonly #instance: Instance;
  readonly #sealedHere = new SealedHere();
  /** Of the sealer, when handles were last remembered. */
  #replacedCount = 0;

  /** @param instance who hands messages out here. Default: somebody whom nobody can ask. */
  constructor(sealer: Sealer, instance = new Instance()) {
    this.#sealer = sealer;
    this.#instance = instance;
  }

  /** @param peer the process that handed the message out. Default: ours. */
  seal(owner: string, receipt: Receipt, peer?: PeerAddress): string {
    const by = peer === undefined ? this.#instance.text : `${peer.id}@${peer.address}`;
    const handle = this.#sealer.seal('receipt', Buffer.from(owner + by + mark + encodeReceipt(receipt)));
    this.#forgetReplaced();
    if (peer === undefined) this.#sealedHere.add(handle, { owner, receipt, peer });
    return handle;
  }

  /** @throws ConnectError INVALID_ARGUMENT for a handle that is empty, forged, altered, or of another consumer group or topic. */
  open(owner: string, handle: string): OpenedReceipt {
    if (handle === '') throw invalid('receipt_handle is empty: pass the one that came with the message');
    this.#forgetReplaced();
    const remembered = this.#sealedHere.take(handle, owner);
    if (remembered !== undefined) return remembered;
    const text = this.#unseal(handle);
    if (text.slice(0, ownerLength) !== owner) {
      throw invalid(
        'receipt_handle belongs to another consumer group or topic: acknowledge by the consumer that received it',
      );
    }
    const markAt = text.indexOf(mark, ownerLength);
    const peer = readPeerAddress(text.slice(ownerLength, markAt));
    return {
      receipt: decodeReceipt(text.slice(markAt + 1)),
      peer: peer?.id === this.#instance.id ? undefined : peer,
    };
  }

  /** What was sealed under a key that is gone must not open. */
  #forgetReplaced(): void {
    if (this.#replacedCount === this.#sealer.replacedCount) return;
    this.#replacedCount = this.#sealer.replacedCount;
    this.#sealedHere.clear();
  }

  #unseal(handle: string): string {
    try {
      return this.#sealer.open('receipt', handle).toString();
    } catch (error) {
      if (error instanceof SealError) throw invalid(`receipt_handle ${error.message}`, error);
      throw error;
    }
  }
}
