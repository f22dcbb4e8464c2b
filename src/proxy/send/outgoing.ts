import type { ConnectError } from '@connectrpc/connect';
import type { Delivery } from '../../client/send/delivery.ts';
import { type OutgoingMessage, userPropertiesBytesMax } from '../../client/send/outgoing-message.ts';
import type { RawMessageProperties } from '../../gen/rocketmq/rocketmq_codec.ts';
import type { MessageProperties } from '../../gen/rocketmq/rocketmq_pb.ts';
import { delayLevelsMs, isReservedProperty } from '../../remoting/message.ts';
import { TextMap } from '../../wire/text-map.ts';
import { invalid } from '../rpc/failures.ts';
import { propertyBytesOf } from './property-bytes.ts';

/**
 * Most bytes of a message as its receivers get it, body, tag and properties: gRPC clients take 4 MiB by default, and one message that
 * is larger would end their stream each time it comes.
 */
export const deliveredBytesMax = 4_194_304;
/** What the rest of a delivered message takes: id, receipt handle, numbers, names of RocketMQ's own properties, field headers. */
export const deliveredOverheadBytes = 2_048;
/** What protobuf takes for each property beyond its name, its value and the byte that ends each: lengths, mostly. */
const propertyHeaderBytes = 8;
/** Longest immunity against transaction checks, in s: a day. */
export const checkImmunitySecondsMax = 86_400;

/** What all four send requests have; raw ones (`requestDecoderOf`) have bytes in place of strings. */
export interface SendRequest {
  readonly messageBody: string | Uint8Array;
  /** In place of `messageBody`. */
  readonly binaryBody: Uint8Array;
  readonly tag: string;
  readonly properties?: MessageProperties | RawMessageProperties | undefined;
}

/** Fields that only some send requests have; each wins over the one of the same name in MessageProperties. */
export interface SendOverrides {
  readonly shardingKey?: string;
  readonly delayLevel?: bigint;
  readonly deliverTimestampMs?: bigint;
}

/** @throws ConnectError INVALID_ARGUMENT naming the field. */
export function toOutgoing(topic: string, request: SendRequest, overrides: SendOverrides = {}): OutgoingMessage {
  const { tag, properties } = request;
  const body = toBody(request);
  const user = toUserProperties(properties?.properties);
  const keys = properties?.messageKey ?? '';
  const shardingKey = overrides.shardingKey || properties?.shardingKey || '';
  checkText('tag', tag);
  checkText('message_key', keys);
  checkText('sharding_key', shardingKey);
  const bodyBytesMax = checkSize(user, [tag, tag, keys, shardingKey]);
  if (body.length > bodyBytesMax) {
    throw tooLarge(request.messageBody.length === 0 ? 'binary_body' : 'message_body', body.length, bodyBytesMax);
  }
  return {
    topic,
    body,
    tag,
    keys,
    properties: user.pairs,
    propertyBytes: user.encoded,
    shardingKey: shardingKey === '' ? undefined : shardingKey,
    delivery: toDelivery(overrides, properties?.startDeliverTime ?? 0n),
  };
}

/** The only body of the two; both empty is an empty one. */
function toBody({ messageBody, binaryBody }: SendRequest): Uint8Array {
  if (binaryBody.length === 0) return typeof messageBody === 'string' ? Buffer.from(messageBody) : messageBody;
  if (messageBody.length > 0) throw invalid('message_body and binary_body are both set: give one of them');
  return binaryBody;
}

/** User properties: as brokers store them, where that can be had without strings, else one by one. */
interface UserProperties {
  readonly encoded: Buffer | undefined;
  readonly pairs: readonly [string, string][];
  /** Of both. */
  readonly count: number;
}

const noProperties: UserProperties = { encoded: undefined, pairs: [], count: 0 };

function toUserProperties(given: TextMap | Readonly<Record<string, string>> | undefined): UserProperties {
  if (given === undefined) return noProperties;
  if (given instanceof TextMap) {
    const encoded = propertyBytesOf(given);
    if (encoded !== undefined) return { encoded, pairs: [], count: given.count };
  }
  const pairs = Object.entries(given instanceof TextMap ? given.toRecord() : given);
  for (const [name, value] of pairs) checkProperty(name, value);
  return { encoded: undefined, pairs, count: pairs.length };
}

/** The seconds of immunity, from the request's own field or from MessageProperties; undefined for the broker's default. */
export function toCheckImmunity(own: number, properties: SendRequest['properties']): number | undefined {
  const seconds = own === 0 ? (properties?.transCheckImmunityTime ?? 0) : own;
  if (seconds < 0 || seconds > checkImmunitySecondsMax) {
    throw invalid(
      `trans_check_immunity_time is ${seconds}; it may be 0 (the broker's default) to ${checkImmunitySecondsMax} seconds`,
    );
  }
  return seconds === 0 ? undefined : seconds;
}

function toDelivery(overrides: SendOverrides, startDeliverTime: bigint): Delivery {
  const { delayLevel = 0n, deliverTimestampMs = 0n } = overrides;
  const timestamp = deliverTimestampMs === 0n ? startDeliverTime : deliverTimestampMs;
  if (delayLevel < 0n || delayLevel > BigInt(delayLevelsMs.length)) {
    throw invalid(`delay_time_level is ${delayLevel}; levels are 1 to ${delayLevelsMs.length}, 0 for none`);
  }
  if (timestamp < 0n || timestamp > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(`start_deliver_time is ${timestamp}; it is a time in milliseconds since 1970, 0 for none`);
  }
  if (timestamp > 0n) return { kind: 'time', deliverTimestampMs: Number(timestamp) };
  return delayLevel === 0n ? { kind: 'now' } : { kind: 'level', level: Number(delayLevel) };
}

function checkProperty(name: string, value: string): void {
  if (name === '') throw invalid('properties has an empty name');
  const shown = JSON.stringify(name.slice(0, 128));
  if (isReservedProperty(name))
    throw invalid(`the property name ${shown} belongs to RocketMQ: use another name or the field for it`);
  checkText(`the property name ${shown}`, name);
  checkText(`the value of property ${shown}`, value);
}

/** 0x01 and 0x02 separate properties where brokers store them: inside one they would forge others. */
function checkText(what: string, text: string): void {
  if (text === '') return;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these two are meant.
  if (/[\u0001\u0002]/.test(text)) throw invalid(`${what} has the character 0x01 or 0x02, which RocketMQ uses itself`);
}

/**
 * @param texts what stands in properties of RocketMQ's own or in fields; the tag is in both.
 * @returns the most bytes that the body may have beside them.
 */
function checkSize({ encoded, pairs, count }: UserProperties, texts: readonly string[]): number {
  let propertiesBytes = encoded?.length ?? 0;
  for (const text of texts) propertiesBytes += propertyBytes(text);
  for (const [name, value] of pairs) propertiesBytes += propertyBytes(name) + propertyBytes(value);
  if (propertiesBytes > userPropertiesBytesMax)
    throw tooLarge('properties, tag and keys', propertiesBytes, userPropertiesBytesMax);
  return deliveredBytesMax - propertiesBytes - count * propertyHeaderBytes - deliveredOverheadBytes;
}

/** Brokers end each name and each value with a byte of their own. */
function propertyBytes(text: string): number {
  return text === '' ? 1 : Buffer.byteLength(text) + 1;
}

function tooLarge(what: string, bytes: number, bytesMax: number): ConnectError {
  return invalid(`${what} has ${bytes} bytes; at most ${bytesMax} can be delivered`);
}
