import { type Claim, decodeClaim, encodeClaim, isPullClaim, type PullClaim } from '../../client/receipt.ts';
import { Instance, type PeerAddress, readPeerAddress } from '../instances/instance.ts';
import { invalid } from '../rpc/failures.ts';
import { SealError, type Sealer } from '../session/seal.ts';
import { DeliveryHandles } from './delivery-handles.ts';

const ownerLength = 12;
/** Ends the part that says who handed the message out; neither ids nor addresses have it. */
const mark = '|';

/** Handles that are remembered of those that were sealed here and have not come back: at least so many, and less than twice as many. */
export const handlesMin = 8_192;

/** What a handle stands for. */
export interface OpenedReceipt {
  readonly receipt: Claim;
  /** The process that handed the message out, where that is another one than ours. */
  readonly peer: PeerAddress | undefined;
}

interface Remembered extends OpenedReceipt {
  readonly owner: string;
}

/**
 * Handles by POP that were sealed here, which mostly come back here, and once: to decrypt one takes longer than all else that an ack does.
 * They are texts that nobody can guess, so who has one was given it.
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
  readonly #deliveries: DeliveryHandles;
  readonly #sealedHere = new SealedHere();
  /** Of the sealer, when handles were last remembered. */
  #replacedCount = 0;

  /** @param instance who hands messages out here. Default: somebody whom nobody can ask. */
  constructor(sealer: Sealer, instance = new Instance()) {
    this.#sealer = sealer;
    this.#instance = instance;
    this.#deliveries = new DeliveryHandles(sealer);
  }

  /** @param peer the process that handed the message out. Default: ours. */
  seal(owner: string, receipt: Claim, peer?: PeerAddress): string {
    this.#forgetReplaced();
    if (peer === undefined && isPullClaim(receipt)) return this.#sealDelivery(owner, receipt);
    const by = peer === undefined ? this.#instance.text : `${peer.id}@${peer.address}`;
    const handle = this.#sealer.seal('receipt', Buffer.from(owner + by + mark + encodeClaim(receipt)));
    if (peer === undefined) this.#sealedHere.add(handle, { owner, receipt, peer });
    return handle;
  }

  /** @throws ConnectError INVALID_ARGUMENT for a handle that is empty, forged, altered, or of another consumer group or topic. */
  open(owner: string, handle: string): OpenedReceipt {
    if (handle === '') throw invalid('receipt_handle is empty: pass the one that came with the message');
    this.#forgetReplaced();
    if (this.#deliveries.isLike(handle)) return this.#openDelivery(owner, handle);
    const remembered = this.#sealedHere.take(handle, owner);
    if (remembered !== undefined) return remembered;
    const text = unsealed(() => this.#sealer.open('receipt', handle).toString());
    checkOwner(owner, text.slice(0, ownerLength));
    const markAt = text.indexOf(mark, ownerLength);
    return {
      receipt: decodeClaim(text.slice(markAt + 1)),
      peer: this.#peerOf(text.slice(ownerLength, markAt)),
    };
  }

  #sealDelivery(owner: string, { clientMark, deliveryNumber }: PullClaim): string {
    return this.#deliveries.seal({ owner, by: this.#instance.text, clientMark }, deliveryNumber);
  }

  #openDelivery(owner: string, handle: string): OpenedReceipt {
    const opened = unsealed(() => this.#deliveries.open(handle));
    checkOwner(owner, opened.owner);
    return { receipt: opened.claim, peer: this.#peerOf(opened.by) };
  }

  /** Undefined where it is this process. */
  #peerOf(by: string): PeerAddress | undefined {
    if (by === this.#instance.text) return undefined;
    const peer = readPeerAddress(by);
    return peer?.id === this.#instance.id ? undefined : peer;
  }

  /** What was sealed under a key that is gone must not open. */
  #forgetReplaced(): void {
    if (this.#replacedCount === this.#sealer.replacedCount) return;
    this.#replacedCount = this.#sealer.replacedCount;
    this.#sealedHere.clear();
    this.#deliveries.clear();
  }
}

/** @throws ConnectError INVALID_ARGUMENT */
function checkOwner(owner: string, ofHandle: string): void {
  if (ofHandle === owner) return;
  throw invalid(
    'receipt_handle belongs to another consumer group or topic: acknowledge by the consumer that received it',
  );
}

/** @throws ConnectError INVALID_ARGUMENT for a SealError. */
function unsealed<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof SealError) throw invalid(`receipt_handle ${error.message}`, error);
    throw error;
  }
}
