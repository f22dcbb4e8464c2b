import { RemotingError } from '../remoting/errors.ts';
import { decodePopReceipt, encodePopReceipt, type PopReceipt } from '../remoting/pop-receipt.ts';

/**
 * Names one delivery of one message that was received by pull. It means something only to the client that received it, and only as long
 * as that has the queue: brokers know nothing of deliveries by pull.
 */
export interface PullReceipt {
  /** Of the client that handed it out: 1 to 64 letters and digits. */
  readonly clientMark: string;
  /** Of this delivery among all of that client. */
  readonly deliveryNumber: number;
  readonly brokerName: string;
  /** The topic that the queue belongs to: the consumer's own, or the retry topic of its group. */
  readonly queueTopic: string;
  readonly queueId: number;
  readonly queueOffset: bigint;
}

/** What acknowledges one delivery. */
export type Receipt = PopReceipt | PullReceipt;

const pullMark = 'pull';

export function isPullReceipt(receipt: Receipt): receipt is PullReceipt {
  return 'deliveryNumber' in receipt;
}

/** As text, for who has to keep it. Not to be shown to clients: it is plain and can be guessed. */
export function encodeReceipt(receipt: Receipt): string {
  if (!isPullReceipt(receipt)) return encodePopReceipt(receipt);
  const { clientMark, deliveryNumber, brokerName, queueTopic, queueId, queueOffset } = receipt;
  return [pullMark, clientMark, deliveryNumber, brokerName, queueTopic, queueId, queueOffset].join(' ');
}

/**
 * Reads what `encodeReceipt` wrote, and nothing else.
 * @throws RemotingError `malformed`.
 */
export function decodeReceipt(text: string): Receipt {
  if (!text.startsWith(`${pullMark} `)) return decodePopReceipt(text);
  const fields = /^pull ([A-Za-z0-9]{1,64}) ([1-9]\d{0,14}) ([^ ]+) ([^ ]+) (0|[1-9]\d{0,8}) (0|[1-9]\d{0,17})$/.exec(
    text,
  );
  const [, clientMark = '', number, brokerName = '', queueTopic = '', queueId, queueOffset = ''] = fields ?? [];
  if (queueId === undefined) throw new RemotingError('malformed', 'a pull receipt has six parts behind its mark');
  return {
    clientMark,
    deliveryNumber: Number(number),
    brokerName,
    queueTopic,
    queueId: Number(queueId),
    queueOffset: BigInt(queueOffset),
  };
}
