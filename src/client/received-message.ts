import type { PopReceipt } from '../remoting/pop-receipt.ts';

/** A message that a consumer has received and not yet acknowledged. */
export interface ReceivedMessage {
  /** UNIQ_KEY; of a message whose producer set none, its offset message id. */
  readonly messageId: string;
  readonly topic: string;
  /** As the producer gave it, decompressed. */
  readonly body: Buffer;
  readonly tag: string | undefined;
  /** All properties, those of RocketMQ too. */
  readonly properties: ReadonlyMap<string, string>;
  readonly bornTimestampMs: number;
  /** 0 on the first delivery. */
  readonly reconsumeTimes: number;
  readonly receipt: PopReceipt;
}
