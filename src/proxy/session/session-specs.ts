import { createHash } from 'node:crypto';
import type { ConsumeFrom } from '../../client/consume-from.ts';
import type { ConsumeMode } from '../../client/options.ts';
import type { EngineKey } from '../engines.ts';

/** What ids of both kinds stand for. */
export interface Owned extends EngineKey {
  /** Name of the token that made the id; '' where the proxy has none. */
  readonly owner: string;
}

/** What a producer id stands for. Names are full names. */
export interface ProducerSpec extends Owned {
  readonly topic: string;
  readonly createdAtMs: number;
}

/** What its maker chose for a consumer, under the names that ids seal: they are never to change. What is left out is as everywhere. */
export interface ConsumerChoices {
  /** In place of the tag expression. */
  readonly sqlCondition?: string | undefined;
  /** Default: `consumeFromDefault`. */
  readonly consumeFrom?: ConsumeFrom | undefined;
  /** True: the messages of a queue come one after the other. Default: false. */
  readonly orderly?: boolean | undefined;
  /** How long a receiver has for its ack, in ms. Default: the proxy's setting. */
  readonly invisibleDurationMs?: number | undefined;
  /** Default: the proxy's setting. */
  readonly consumeMode?: ConsumeMode | undefined;
}

/** What a consumer receives, how, and as whom. */
export interface ConsumerFields extends Owned {
  readonly topic: string;
  readonly group: string;
  /** As brokers get it. */
  readonly tagExpression: string;
  /** Default: none. */
  readonly choices?: ConsumerChoices | undefined;
}

/** What a consumer id stands for. */
export interface ConsumerSpec extends ConsumerFields {
  readonly createdAtMs: number;
}

/**
 * What the id of a consumer stands for that was made at this time. Not made by spreading: to an object that is spread and grown V8 gives a
 * hidden class of its own, which takes more than the object.
 */
export function consumerSpec(fields: ConsumerFields, createdAtMs: number): ConsumerSpec {
  const { endpoint, accessKeyId, accessKeySecret, owner, topic, group, tagExpression, choices } = fields;
  return { endpoint, accessKeyId, accessKeySecret, owner, topic, group, tagExpression, choices, createdAtMs };
}

/** The bytes that a producer id seals. */
export function encodeProducerSpec(spec: ProducerSpec): Buffer {
  return Buffer.from(JSON.stringify(ownParts(spec)));
}

/** The bytes that a consumer id seals. Choices stand behind the rest where there are some: ids without them stay as they ever were. */
export function encodeConsumerSpec(spec: ConsumerSpec): Buffer {
  const { group, tagExpression, choices = {} } = spec;
  const hasChoices = Object.values(choices).some((choice) => choice !== undefined);
  return Buffer.from(JSON.stringify([...ownParts(spec), group, tagExpression, ...(hasChoices ? [choices] : [])]));
}

function ownParts({ endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner }: ProducerSpec) {
  return [endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner];
}

/** Reads what `encodeProducerSpec` wrote; only to be given what was sealed here. */
export function decodeProducerSpec(bytes: Buffer): ProducerSpec {
  const [endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner] = JSON.parse(bytes.toString());
  return { endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner };
}

/** Reads what `encodeConsumerSpec` wrote; only to be given what was sealed here. */
export function decodeConsumerSpec(bytes: Buffer): ConsumerSpec {
  const [, , , , , , group, tagExpression, choices] = JSON.parse(bytes.toString());
  const producer = decodeProducerSpec(bytes);
  return consumerSpec({ ...producer, group, tagExpression, choices }, producer.createdAtMs);
}

/** Ties a receipt to the cluster, group and topic that it came from: 12 characters. */
export function receiptOwner({ endpoint, group, topic }: ConsumerFields): string {
  return createHash('sha256')
    .update(JSON.stringify([endpoint, group, topic]))
    .digest('base64url')
    .slice(0, 12);
}
