import type { Receipt } from './receipt.ts';

/** A message that a consumer has received and not yet acknowledged. @typeParam R receipts of the way by which it was received. */
export interface ReceivedMessage<R extends Receipt = Receipt> {
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
  /** Names this delivery: what acknowledges it. */
  readonly receipt: R;
}
