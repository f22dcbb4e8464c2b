import { RemotingError } from '../remoting/errors.ts';
import { decodePopReceipt, encodePopReceipt, type PopReceipt } from '../remoting/pop-receipt.ts';

/**
 * Names one delivery by pull. It means something only to the client that received the message, and only as long as that has the queue:
 * brokers know nothing of deliveries by pull.
 */
export interface PullClaim {
  /** Of the client that handed it out: 1 to 64 letters and digits. */
  readonly clientMark: string;
  /** Of this delivery among all of that client: below 2^48. */
  readonly deliveryNumber: number;
}

/** Names one delivery by pull, and says where its message lies. */
export interface PullReceipt extends PullClaim {
  readonly brokerName: string;
  /** The topic that the queue belongs to: the consumer's own, or the retry topic of its group. */
  readonly queueTopic: string;
  readonly queueId: number;
  readonly queueOffset: bigint;
}

/** What comes with a message. */
export type Receipt = PopReceipt | PullReceipt;

/** What settles a delivery: its receipt, or what of it is enough. */
export type ClaimOf<R extends Receipt> = R | (R extends PullReceipt ? PullClaim : never);

/** What settles one delivery. */
export type Claim = ClaimOf<Receipt>;

const pullMark = 'pull';

export function isPullClaim(claim: Claim): claim is PullClaim {
  return 'deliveryNumber' in claim;
}

/** As text, for who has to keep it. Not to be shown to clients: it is plain and can be guessed. */
export function encodeClaim(claim: Claim): string {
  return isPullClaim(claim) ? `${pullMark} ${claim.clientMark} ${claim.deliveryNumber}` : encodePopReceipt(claim);
}

/**
 * Reads what `encodeClaim` wrote, and nothing else.
 * @throws RemotingError `malformed`.
 */
export function decodeClaim(text: string): Claim {
  if (!text.startsWith(`${pullMark} `)) return decodePopReceipt(text);
  const [, clientMark = '', number] = /^pull ([A-Za-z0-9]{1,64}) ([1-9]\d{0,13})$/.exec(text) ?? [];
  if (number === undefined) throw new RemotingError('malformed', 'a pull receipt has two parts behind its mark');
  return { clientMark, deliveryNumber: Number(number) };
}
