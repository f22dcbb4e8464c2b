import { decodeReceipt, encodeReceipt, type Receipt } from '../../client/receipt.ts';
import { MQError } from '../mq-error.ts';

/** Receipt handles of one consumer: text that says itself what it acknowledges, and is refused where it comes from another consumer. */
export class DirectReceipts {
  readonly #owner: readonly [group: string, topic: string];

  constructor(group: string, topic: string) {
    this.#owner = [group, topic];
  }

  encode(receipt: Receipt): string {
    return Buffer.from(JSON.stringify([...this.#owner, encodeReceipt(receipt)])).toString('base64url');
  }

  /** @throws MQError INVALID_ARGUMENT. */
  decode(receiptHandle: string): Receipt {
    if (receiptHandle === '') throw refused('it is empty');
    let receipt: Receipt;
    let owner: unknown[];
    try {
      const [group, topic, text] = JSON.parse(Buffer.from(receiptHandle, 'base64url').toString());
      owner = [group, topic];
      receipt = decodeReceipt(text);
    } catch (cause) {
      throw refused('it is none of this SDK, or was altered', cause);
    }
    if (this.#owner.some((name, index) => name !== owner[index])) throw refused('it is of another group or topic');
    return receipt;
  }
}

function refused(why: string, cause?: unknown): MQError {
  return new MQError('INVALID_ARGUMENT', 'INVALID_REQUEST', `the receipt handle cannot be used: ${why}`, cause);
}
