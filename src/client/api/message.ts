import { delayLevelsMs, isReservedProperty } from '../../remoting/message.ts';
import { hasPropertySeparator } from '../../remoting/message-properties.ts';
import type { Delivery } from '../send/delivery.ts';
import { type OutgoingMessage, userPropertiesBytesMax } from '../send/outgoing-message.ts';
import { invalidArgument } from './rocketmq-error.ts';

/** A message to be sent. */
export interface Message {
  /** 1 to 127 letters, digits and `% | _ -`, the namespace included. */
  readonly topic: string;
  /** Text is sent as UTF-8. At most the client's `bodyBytesMax`; brokers 5.x store no empty bodies. */
  readonly body: Uint8Array | string;
  /** What consumers filter by: one word, without `|` and blanks at its ends. */
  readonly tag?: string | undefined;
  /** What the message can be found by: one key or several, without blanks. */
  readonly keys?: string | readonly string[] | undefined;
  /**
   * Your own properties: names that RocketMQ uses itself are refused, and so are the characters 0x01 and 0x02. With tag and keys at most
   * 31,744 bytes. Brokers drop properties with an empty value.
   */
  readonly properties?: Readonly<Record<string, string>> | undefined;
  /** Messages of one key are stored in one queue, in the order in which they were sent one after the other. */
  readonly shardingKey?: string | undefined;
  /** 1 to 18: 1, 5, 10, 30 s, 1 to 10, 20, 30 min, 1, 2 h, unless the brokers are set up otherwise. 0: at once. */
  readonly delayLevel?: number | undefined;
  /** When it is to be delivered: ms since 1970, or a Date. Brokers 5.x only; at most 3 days away unless they are set up otherwise. */
  readonly deliverAt?: Date | number | undefined;
}

/** How names are made whole, and what is too large. */
export interface MessageRules {
  /** The full name of a topic. @throws RocketMQError `INVALID_ARGUMENT`. */
  readonly fullTopic: (topic: string) => string;
  /** Longest body, in bytes. */
  readonly bodyBytesMax: number;
}

/** @throws RocketMQError `INVALID_ARGUMENT`, naming the field and what to do about it. */
export function toOutgoing(message: Message, rules: MessageRules): OutgoingMessage {
  const { tag, shardingKey } = message;
  const keys = joinedKeys(message.keys);
  const properties = Object.entries(message.properties ?? {});
  for (const [name, value] of properties) checkProperty(name, value);
  checkTag(tag);
  checkText('shardingKey', shardingKey);
  checkPropertiesSize([...properties.flat(), tag ?? '', keys ?? '', shardingKey ?? '']);
  return {
    topic: rules.fullTopic(message.topic),
    body: bodyOf(message.body, rules.bodyBytesMax),
    tag,
    keys,
    properties,
    shardingKey: shardingKey === '' ? undefined : shardingKey,
    delivery: deliveryOf(message),
  };
}

function bodyOf(body: Uint8Array | string, bodyBytesMax: number): Uint8Array {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (!(bytes instanceof Uint8Array)) throw invalidArgument('body must be text or bytes (Buffer, Uint8Array)');
  if (bytes.length <= bodyBytesMax) return bytes;
  throw invalidArgument(`body has ${bytes.length} bytes; at most ${bodyBytesMax} (bodyBytesMax) are allowed`);
}

function joinedKeys(keys: string | readonly string[] | undefined): string | undefined {
  if (keys === undefined) return undefined;
  const list = typeof keys === 'string' ? [keys] : keys;
  for (const key of list) {
    checkText('a key', key);
    if (/\s/.test(key))
      throw invalidArgument(`the key ${quote(key)} has a blank, which separates keys: give them as a list`);
  }
  return list.join(' ');
}

function checkTag(tag: string | undefined): void {
  checkText('tag', tag);
  if (tag === undefined || tag === '') return;
  const isWord = tag === tag.trim() && !tag.includes('|') && tag !== '*';
  if (!isWord)
    throw invalidArgument(`the tag ${quote(tag)} is *, or has a | or blanks at its ends: no filter could name it`);
}

function checkProperty(name: string, value: string): void {
  if (name === '') throw invalidArgument('a property has an empty name: name it');
  if (isReservedProperty(name)) {
    throw invalidArgument(
      `the property name ${quote(name)} belongs to RocketMQ: use another name, or the field for it`,
    );
  }
  checkText(`the property name ${quote(name)}`, name);
  checkText(`the property ${quote(name)}`, value);
}

/** 0x01 and 0x02 end names and values where properties are stored: inside one they would forge others. */
function checkText(what: string, text: unknown): void {
  if (text === undefined) return;
  if (typeof text !== 'string') throw invalidArgument(`${what} is of type ${typeof text}: give text`);
  if (hasPropertySeparator(text))
    throw invalidArgument(`${what} has the character 0x01 or 0x02, which RocketMQ uses itself`);
}

function checkPropertiesSize(texts: readonly string[]): void {
  // Each name and each value is stored with a byte of its own behind it.
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
  if (bytes <= userPropertiesBytesMax) return;
  throw invalidArgument(`properties, tag and keys have ${bytes} bytes; at most ${userPropertiesBytesMax} are allowed`);
}

function deliveryOf({ delayLevel, deliverAt }: Message): Delivery {
  if (delayLevel !== undefined && deliverAt !== undefined) {
    throw invalidArgument('a message has delayLevel and deliverAt: give one of them');
  }
  if (deliverAt !== undefined) return { kind: 'time', deliverTimestampMs: timestampOf(deliverAt) };
  if (delayLevel === undefined || delayLevel === 0) return { kind: 'now' };
  if (Number.isInteger(delayLevel) && delayLevel > 0 && delayLevel <= delayLevelsMs.length) {
    return { kind: 'level', level: delayLevel };
  }
  throw invalidArgument(`delayLevel is ${delayLevel}; levels are 1 to ${delayLevelsMs.length}, 0 for none`);
}

function timestampOf(deliverAt: Date | number): number {
  const timestampMs = typeof deliverAt === 'number' ? deliverAt : deliverAt.getTime();
  if (Number.isSafeInteger(timestampMs) && timestampMs >= 0) return timestampMs;
  throw invalidArgument(`deliverAt is ${String(deliverAt)}; it must be a Date, or a time in whole ms since 1970`);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 128));
}
