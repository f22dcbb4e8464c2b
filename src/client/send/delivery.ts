import { delayLevelsMs, MessageProperty } from '../../remoting/message.ts';
import { isVersion5 } from '../../remoting/version.ts';
import type { Vendor } from '../cluster/vendor.ts';
import { ClientError } from '../errors.ts';

/** When a message is to be delivered: at once, after a level's duration, or at a time (ms since 1970). */
export type Delivery =
  | { readonly kind: 'now' }
  | { readonly kind: 'level'; readonly level: number }
  | { readonly kind: 'time'; readonly deliverTimestampMs: number };

/**
 * The property that makes a broker deliver at that time; undefined for at once. Open-source brokers know times from 5.0 on
 * (TIMER_DELIVER_MS), the brokers of cloud vendors by a property of their own whatever version they tell.
 * @throws ClientError `invalid` for a level that does not exist; `unsupported` for a time on a broker that would deliver at once.
 */
export function deliveryProperty(
  delivery: Delivery,
  vendor: Vendor,
  brokerVersion: number,
  nowMs: number,
): readonly [string, string] | undefined {
  switch (delivery.kind) {
    case 'now':
      return undefined;
    case 'level':
      return levelProperty(delivery.level);
    case 'time':
      if (delivery.deliverTimestampMs <= nowMs) return undefined;
      return timeProperty(delivery.deliverTimestampMs, vendor, brokerVersion, nowMs);
  }
}

function levelProperty(level: number): readonly [string, string] | undefined {
  if (level === 0) return undefined;
  if (!Number.isInteger(level) || level < 0 || level > delayLevelsMs.length) {
    throw new ClientError(
      'invalid',
      `delay level ${level} does not exist; levels are 1 to ${delayLevelsMs.length}, 0 for none`,
    );
  }
  return [MessageProperty.DELAY, String(level)];
}

function timeProperty(
  timestampMs: number,
  vendor: Vendor,
  brokerVersion: number,
  nowMs: number,
): readonly [string, string] {
  if (vendor !== 'apache') return [MessageProperty.START_DELIVER_TIME, String(timestampMs)];
  if (isVersion5(brokerVersion)) return [MessageProperty.TIMER_DELIVER_MS, String(timestampMs)];
  const delayMs = timestampMs - nowMs;
  const level = nearestLevel(delayMs);
  throw new ClientError(
    'unsupported',
    `RocketMQ 4.x delivers by level, not at a time: ${delayMs} ms from now is nearest to delay level ${level} (${delayLevelsMs[level - 1]} ms). ` +
      'Send with that level, or, where a cloud vendor runs the brokers, set PROXY_VENDOR',
  );
}

function nearestLevel(delayMs: number): number {
  const distances = delayLevelsMs.map((levelMs) => Math.abs(levelMs - delayMs));
  return distances.indexOf(Math.min(...distances)) + 1;
}
