import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OutgoingMessageSchema } from '../gen/rocketmq/rocketmq_pb.ts';
import { invalidRequest } from './errors.ts';

/** What a message may have besides its body. */
export interface MessageOptions {
  /** What receivers filter by. */
  readonly tag?: string;
  /** User properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Key that the message can be found by. */
  readonly messageKey?: string;
  /** Messages of one sharding key are stored in one queue; those of one producer's `publish`, in the order in which they were published. */
  readonly shardingKey?: string;
  /** When it is delivered: a time, or milliseconds since 1970. Default: at once. */
  readonly startDeliverTime?: Date | number;
}

/** A message of `publishAll`. */
export interface OutgoingMessage extends MessageOptions {
  /** Text is sent as UTF-8. */
  readonly body: string | Uint8Array;
}

/** The fields that the send requests of the API have in common. */
export type OutgoingFields = Pick<MessageInitShape<typeof OutgoingMessageSchema>, 'tag'> & {
  readonly binaryBody: Uint8Array;
  readonly properties: {
    readonly properties: Record<string, string>;
    readonly messageKey: string;
    readonly shardingKey: string;
    readonly startDeliverTime: bigint;
  };
};

/** Most messages of one call: what the proxy takes. */
export const batchMessagesMax = 1_000;
/** Most bytes of one call, unless one message alone has more: the proxy takes 5 MiB. */
export const batchBytesMax = 4_194_304;
/** What protobuf takes for a message beyond its texts and body. */
const headerBytes = 64;

const encoder = new TextEncoder();

/** @throws MQError for a time that is none; whatever else is wrong the proxy says. */
export function toFields({ body, ...options }: OutgoingMessage): OutgoingFields {
  const { tag = '', properties = {}, messageKey = '', shardingKey = '', startDeliverTime = 0 } = options;
  const deliverMs = Math.ceil(Number(startDeliverTime));
  if (!Number.isFinite(deliverMs)) throw invalidRequest(`startDeliverTime is ${startDeliverTime}: it must be a time`);
  return {
    binaryBody: typeof body === 'string' ? encoder.encode(body) : body,
    tag,
    properties: {
      properties: { ...properties },
      messageKey,
      shardingKey,
      startDeliverTime: BigInt(deliverMs),
    },
  };
}

/** Cuts messages, in order, into what one call takes. */
export function splitMessages(messages: readonly OutgoingFields[]): OutgoingFields[][] {
  const parts: OutgoingFields[][] = [];
  let room = new CallRoom();
  for (const message of messages) {
    const part = parts.at(-1);
    if (part !== undefined && room.take(message)) part.push(message);
    else {
      parts.push([message]);
      room = new CallRoom();
      room.take(message);
    }
  }
  return parts;
}

/** What one call still takes. */
export class CallRoom {
  #count = 0;
  #bytes = 0;

  /** @returns false where the message needs another call; the first never does. */
  take(message: OutgoingFields): boolean {
    const bytes = this.#bytes + sizeOf(message);
    if (this.#count > 0 && (this.#count >= batchMessagesMax || bytes > batchBytesMax)) return false;
    this.#count += 1;
    this.#bytes = bytes;
    return true;
  }
}

/** At least what it takes in a request. */
function sizeOf({ binaryBody, tag, properties: { properties, messageKey, shardingKey } }: OutgoingFields): number {
  const texts = [tag ?? '', messageKey, shardingKey, ...Object.entries(properties).flat()];
  // UTF-8 has at most three bytes for each of UTF-16's units; each text has a header.
  return texts.reduce((bytes, text) => bytes + 3 * text.length + 8, binaryBody.length + headerBytes);
}
