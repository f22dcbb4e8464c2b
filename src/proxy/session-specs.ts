import { createHash } from 'node:crypto';
import type { EngineKey } from './engines.ts';

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

/** What a consumer receives, and as whom. */
export interface ConsumerFields extends Owned {
  readonly topic: string;
  readonly group: string;
  /** As brokers get it. */
  readonly tagExpression: string;
}

/** What a consumer id stands for. */
export interface ConsumerSpec extends ConsumerFields {
  readonly createdAtMs: number;
}

/** The bytes that a producer id seals. */
export function encodeProducerSpec(spec: ProducerSpec): Buffer {
  const { endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner } = spec;
  return Buffer.from(JSON.stringify([endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner]));
}

/** The bytes that a consumer id seals. */
export function encodeConsumerSpec(spec: ConsumerSpec): Buffer {
  const { endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner, group, tagExpression } = spec;
  return Buffer.from(
    JSON.stringify([endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner, group, tagExpression]),
  );
}

/** Reads what `encodeProducerSpec` wrote; only to be given what was sealed here. */
export function decodeProducerSpec(bytes: Buffer): ProducerSpec {
  const [endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner] = JSON.parse(bytes.toString());
  return { endpoint, accessKeyId, accessKeySecret, topic, createdAtMs, owner };
}

/** Reads what `encodeConsumerSpec` wrote; only to be given what was sealed here. */
export function decodeConsumerSpec(bytes: Buffer): ConsumerSpec {
  const [, , , , , , group, tagExpression] = JSON.parse(bytes.toString());
  return { ...decodeProducerSpec(bytes), group, tagExpression };
}

/** Ties a receipt to the cluster, group and topic that it came from: 12 characters. */
export function receiptOwner({ endpoint, group, topic }: ConsumerFields): string {
  return createHash('sha256')
    .update(JSON.stringify([endpoint, group, topic]))
    .digest('base64url')
    .slice(0, 12);
}
