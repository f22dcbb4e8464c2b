import { decodeReceipt, encodeReceipt, type Receipt } from '../client/receipt.ts';
import { invalid } from './failures.ts';
import { SealError, type Sealer } from './seal.ts';

const ownerLength = 12;

/** Receipt handles: sealed, since RocketMQ's own are plain numbers that anybody can guess, and bound to group, topic and cluster. */
export class Receipts {
  readonly #sealer: Sealer;

  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  seal(owner: string, receipt: Receipt): string {
    return this.#sealer.seal('receipt', Buffer.from(owner + encodeReceipt(receipt)));
  }

  /** @throws ConnectError INVALID_ARGUMENT for a handle that is empty, forged, altered, or of another consumer group or topic. */
  open(owner: string, handle: string): Receipt {
    if (handle === '') throw invalid('receipt_handle is empty: pass the one that came with the message');
    const text = this.#unseal(handle);
    if (text.slice(0, ownerLength) !== owner) {
      throw invalid(
        'receipt_handle belongs to another consumer group or topic: acknowledge by the consumer that received it',
      );
    }
    return decodeReceipt(text.slice(ownerLength));
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
