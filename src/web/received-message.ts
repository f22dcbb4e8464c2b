import type { Message } from '../gen/rocketmq/rocketmq_pb.ts';

const decoder = new TextDecoder();

/** A message as a consumer gets it. */
export class WebMessage {
  /** Made by the producer's side, the same in every delivery. */
  readonly messageId: string;
  /** The body, byte for byte as it was sent. */
  readonly binaryBody: Uint8Array;
  readonly tag: string;
  /** The sender's, and KEYS, TAGS, UNIQ_KEY and __SHARDINGKEY where the message has them. */
  readonly properties: Readonly<Record<string, string>>;
  /** When it was sent, in ms since 1970. */
  readonly bornTimestamp: number;
  /** How often it has been delivered before: 0 the first time. */
  readonly reconsumeTimes: number;
  #receiptHandle: string;

  /** Not for users: consumers make them. */
  constructor(message: Message) {
    this.messageId = message.messageId;
    this.binaryBody = message.binaryBody;
    this.tag = message.tag;
    this.properties = message.properties;
    this.bornTimestamp = Number(message.bornTimestamp);
    this.reconsumeTimes = message.reconsumeTimes;
    this.#receiptHandle = message.receiptHandle;
  }

  /** The body as text. What is not UTF-8 in it becomes U+FFFD: `binaryBody` has it as it was sent. */
  get body(): string {
    return decoder.decode(this.binaryBody);
  }

  /** What stands for this delivery; another one behind `changeInvisibleDuration`. */
  get receiptHandle(): string {
    return this.#receiptHandle;
  }

  /** Not for users: consumers do it. */
  renew(receiptHandle: string): void {
    this.#receiptHandle = receiptHandle;
  }
}
