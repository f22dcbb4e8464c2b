import { decodeReceipt, encodeReceipt, type Receipt } from '../client/receipt.ts';
import { invalid } from './failures.ts';
import { Instance, type PeerAddress, readPeerAddress } from './instance.ts';
import { SealError, type Sealer } from './seal.ts';

const ownerLength = 12;
/** Ends the part that says who handed the message out; neither ids nor addresses have it. */
const mark = '|';

/** What a handle stands for. */
export interface OpenedReceipt {
  readonly receipt: Receipt;
  /** The process that handed the message out, where that is another one than ours. */
  readonly peer: PeerAddress | undefined;
}

/** Receipt handles: sealed, since RocketMQ's own are plain numbers that anybody can guess, and bound to group, topic and cluster. */
export class Receipts {
  readonly #sealer: Sealer;
  readonly #instance: Instance;

  /** @param instance who hands messages out here. Default: somebody whom nobody can ask. */
  constructor(sealer: Sealer, instance = new Instance()) {
    this.#sealer = sealer;
    this.#instance = instance;
  }

  /** @param peer the process that handed the message out. Default: ours. */
  seal(owner: string, receipt: Receipt, peer?: PeerAddress): string {
    const by = peer === undefined ? this.#instance.text : `${peer.id}@${peer.address}`;
    return this.#sealer.seal('receipt', Buffer.from(owner + by + mark + encodeReceipt(receipt)));
  }

  /** @throws ConnectError INVALID_ARGUMENT for a handle that is empty, forged, altered, or of another consumer group or topic. */
  open(owner: string, handle: string): OpenedReceipt {
    if (handle === '') throw invalid('receipt_handle is empty: pass the one that came with the message');
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

  #unseal(handle: string): string {
    try {
      return this.#sealer.open('receipt', handle).toString();
    } catch (error) {
      if (error instanceof SealError) throw invalid(`receipt_handle ${error.message}`, error);
      throw error;
    }
  }
}
