import type { MessageProperties } from './message-properties.ts';
import { invalid } from './mq-error.ts';

/** A message as it was received. @typeParam Body `Buffer` where the consumer asks for binary bodies. */
export interface MessageData<Body extends string | Buffer = string> {
  /** Made when it was published, the same in every delivery. */
  messageId: string;
  /** What `ackMessage` takes; a new one with each delivery. */
  receiptHandle: string;
  /** As text, where what is not UTF-8 is U+FFFD; as bytes with `binaryBodies`. */
  body: Body;
  /** '' for none. */
  tag: string;
  /** The publisher's, and `KEYS`, `TAGS`, `UNIQ_KEY`, `__SHARDINGKEY` where the message has them. */
  properties: { [key: string]: string };
  /** When it was published, in ms since 1970. */
  bornTimestamp: number;
  /** How often it was delivered before; 0 the first time. */
  reconsumeTimes: number;
}

/** What a publish resolves with. */
export interface SendResult {
  /** The id that receivers see. */
  messageId: string;
  /** The message id again: what was published has no receipt of its own. */
  receiptHandle: string;
  /** What `recallMessage` takes; there where the message waits for a time of delivery, and its broker can take it back. */
  recallHandle?: string;
}

/** What taking back a message resolves with. */
export interface RecallResult {
  /** Of the message that was taken back. */
  messageId: string;
}

/** What publishing a transaction message resolves with. */
export interface TransactionResult extends SendResult {
  transactionId: string;
}

/** What an ack, and the end of a transaction, resolves with. */
export interface SettleResult {
  success: boolean;
  message: string;
}

/** When a message is delivered. */
export interface DelayOptions {
  /** 1 to 18: 1, 5, 10, 30 s, 1 to 10, 20, 30 min, 1, 2 h, unless brokers are set up otherwise. 0: none. */
  delayTimeLevel?: number | undefined;
  /** Time of delivery, in ms since 1970; wins over `delayTimeLevel`. A time in the past delivers at once. 0: none. */
  startDeliverTime?: number | undefined;
}

/** How one call differs from others. */
export interface CallOptions {
  /** Longest time for the call, in ms: 1 to 2,147,483,647. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Ends the call with CANCELLED. What was sent already is not taken back by it. */
  readonly signal?: AbortSignal | undefined;
}

/** What may be published: text, bytes, or anything that JSON can say, which is sent as JSON. */
export type MessageBody = unknown;

/** Which of the published calls sends a message. */
export type DraftKind = 'normal' | 'ordered' | 'delayed';

/** A message to be sent: complete, but not looked at by RocketMQ's rules. */
export interface Draft {
  readonly kind: DraftKind;
  readonly body: string | Uint8Array;
  readonly tag: string;
  readonly properties: Readonly<Record<string, string>>;
  /** '' for none. */
  readonly messageKey: string;
  /** '' for none. */
  readonly shardingKey: string;
  /** 0n for none. */
  readonly delayLevel: bigint;
  /** Milliseconds since 1970; 0n for none. */
  readonly deliverTimestampMs: bigint;
  /** 0 for the broker's own. */
  readonly checkImmunitySeconds: number;
}

/** A result without what is not there. @param recallHandle undefined or '' for none. */
export function toSendResult(messageId: string, receiptHandle: string, recallHandle: string | undefined): SendResult {
  return recallHandle ? { messageId, receiptHandle, recallHandle } : { messageId, receiptHandle };
}

/** What a draft is made of, besides what `MessageProperties` says. */
export interface DraftSource {
  readonly kind: DraftKind;
  readonly body: MessageBody;
  readonly tag: string | null | undefined;
  readonly properties: Partial<MessageProperties> | null | undefined;
  readonly shardingKey?: string | undefined;
  readonly delay?: DelayOptions | undefined;
  readonly checkImmunitySeconds?: number | undefined;
}

/** @throws MQError INVALID_ARGUMENT for numbers that are none, and bodies that JSON cannot say. */
export function toDraft({ kind, body, tag, properties, ...own }: DraftSource): Draft {
  const { delay = {} } = own;
  return {
    kind,
    body: toBody(body),
    tag: String(tag ?? ''),
    properties: textsOf(properties?.properties ?? {}),
    messageKey: String(properties?.message_key ?? ''),
    shardingKey: String(own.shardingKey || properties?.sharding_key || ''),
    delayLevel: toInteger('delayTimeLevel', delay.delayTimeLevel),
    deliverTimestampMs: toInteger('startDeliverTime', delay.startDeliverTime || properties?.start_deliver_time),
    checkImmunitySeconds: Number(
      toInteger('transCheckImmunityTime', own.checkImmunitySeconds || properties?.trans_check_immunity_time),
    ),
  };
}

/** As the published SDK does it: objects are sent as JSON; bytes, which it could not send, as they are. */
function toBody(body: MessageBody): string | Uint8Array {
  if (body === undefined) return '';
  if (body instanceof Uint8Array) return body;
  if (typeof body !== 'object') return String(body);
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw invalid(`the body cannot be written as JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function textsOf(properties: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, String(value)]));
}

/** 0n where it is left out. */
function toInteger(name: string, value: number | undefined): bigint {
  const number = Number(value ?? 0);
  if (Number.isSafeInteger(number)) return BigInt(number);
  throw invalid(`${name} is ${String(value)}; it must be a whole number`);
}
