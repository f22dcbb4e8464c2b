import { isUtf8 } from 'node:buffer';
import type { ReceivedMessage } from '../../client/received-message.ts';
import { encodeMessage } from '../../gen/rocketmq/rocketmq_codec.ts';
import type { Message } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { SelfWritten } from '../../wire/message-codec.ts';
import type { ProtoWriter } from '../../wire/proto-writer.ts';
import { toMessage } from './incoming.ts';
import type { PropertyCuts } from './property-cuts.ts';

/** Tags of the fields of `rocketmq.Message`: number and kind, as they stand in its bytes. */
const tags = {
  messageId: 0x0a,
  receiptHandle: 0x12,
  messageBody: 0x1a,
  tag: 0x22,
  properties: 0x2a,
  bornTimestamp: 0x30,
  reconsumeTimes: 0x38,
  binaryBody: 0x52,
} as const;

/** How a stream delivers its messages. */
export interface DeliveredAs {
  /** Whether bodies are bytes, or text. */
  readonly isBinary: boolean;
  readonly cuts: PropertyCuts;
}

type Received = Omit<ReceivedMessage, 'receipt'>;

const noBytes = Buffer.alloc(0);

/**
 * A message as the API delivers it, for both ways that replies become bytes: who has an encoder of its own gets the stored bytes copied
 * to where they belong, and no text or object is made of them; Connect reads the fields, which are then those of `toMessage`.
 */
export class DeliveredMessage implements Message, SelfWritten {
  readonly receiptHandle: string;
  readonly #as: DeliveredAs;
  #received: Received;
  #message: Message | undefined;

  constructor(received: Received, receiptHandle: string, as: DeliveredAs) {
    this.#received = received;
    this.receiptHandle = receiptHandle;
    this.#as = as;
  }

  get $typeName() {
    return this.#whole.$typeName;
  }

  get messageId(): string {
    return this.#whole.messageId;
  }

  get messageBody(): string {
    return this.#whole.messageBody;
  }

  get binaryBody(): Uint8Array {
    return this.#whole.binaryBody;
  }

  get tag(): string {
    return this.#whole.tag;
  }

  get properties(): Record<string, string> {
    return this.#whole.properties;
  }

  get bornTimestamp(): bigint {
    return this.#whole.bornTimestamp;
  }

  get reconsumeTimes(): number {
    return this.#whole.reconsumeTimes;
  }

  writeTo(writer: ProtoWriter): void {
    const { body, propertyBytes } = this.#received;
    const isText = this.#as.isBinary || isUtf8(body);
    if (isText && propertyBytes !== undefined && isUtf8(propertyBytes)) this.#copyTo(writer, propertyBytes);
    else encodeMessage(writer, this.#whole);
  }

  /** It has become bytes: nobody needs its body any more, but those who handed it on still have the message. */
  forgetBody(): void {
    const { messageId, topic, tag, properties, bornTimestampMs, reconsumeTimes } = this.#received;
    this.#received = { messageId, topic, tag, properties, bornTimestampMs, reconsumeTimes, body: noBytes };
    this.#message = undefined;
  }

  get #whole(): Message {
    this.#message ??= toMessage(this.#received, this.receiptHandle, this.#as.isBinary);
    return this.#message;
  }

  /** By the numbers of the fields, as every encoder does. */
  #copyTo(writer: ProtoWriter, properties: Buffer): void {
    const { isBinary, cuts } = this.#as;
    const { body, bornTimestampMs, reconsumeTimes } = this.#received;
    cuts.read(properties);
    const id = cuts.uniqKey.end > 0 ? cuts.uniqKey : cuts.originId;
    if (id.end > 0) writer.part(tags.messageId, properties, id.start, id.end);
    else writer.string(tags.messageId, this.#received.messageId);
    writer.string(tags.receiptHandle, this.receiptHandle);
    if (!isBinary && body.length > 0) writer.bytes(tags.messageBody, body);
    if (cuts.tag.end > 0) writer.part(tags.tag, properties, cuts.tag.start, cuts.tag.end);
    cuts.writeShown(writer, tags.properties);
    if (bornTimestampMs !== 0) writer.int64(tags.bornTimestamp, BigInt(bornTimestampMs));
    if (reconsumeTimes !== 0) writer.int32(tags.reconsumeTimes, reconsumeTimes);
    if (isBinary && body.length > 0) writer.bytes(tags.binaryBody, body);
  }
}
