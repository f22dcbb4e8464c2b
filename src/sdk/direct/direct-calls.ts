import type { Message } from '../../client/api/message.ts';
import type { CallOptions, Draft } from '../message.ts';
import { invalid } from '../mq-error.ts';

/** Longest immunity against transaction checks, in s: a day. */
const checkImmunitySecondsMax = 86_400;

/** Options without what is not there. */
export function callOf({ timeoutMs, signal }: CallOptions) {
  return { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) };
}

/** A message as the client sends it. @throws MQError INVALID_ARGUMENT. */
export function messageOf(topic: string, draft: Draft): Message {
  const { kind, body, tag, properties, messageKey, shardingKey, delayLevel, deliverTimestampMs } = draft;
  if (kind === 'ordered' && shardingKey === '')
    throw invalid('the sharding key is empty: name the key whose messages stay in order');
  if (deliverTimestampMs < 0n) throw invalid('startDeliverTime is below 0; it is a time in ms since 1970, 0 for none');
  const delay =
    deliverTimestampMs > 0n ? { deliverAt: Number(deliverTimestampMs) } : { delayLevel: Number(delayLevel) };
  const keys = messageKey.split(/\s+/).filter((key) => key !== '');
  return { topic, body, tag, properties, keys, shardingKey, ...delay };
}

/** @returns undefined for the broker's own. @throws MQError INVALID_ARGUMENT. */
export function checkImmunity({ checkImmunitySeconds }: Draft): number | undefined {
  if (checkImmunitySeconds < 0 || checkImmunitySeconds > checkImmunitySecondsMax) {
    const bounds = `it may be 0 (the broker's own) to ${checkImmunitySecondsMax} seconds`;
    throw invalid(`transCheckImmunityTime is ${checkImmunitySeconds}; ${bounds}`);
  }
  return checkImmunitySeconds === 0 ? undefined : checkImmunitySeconds;
}
