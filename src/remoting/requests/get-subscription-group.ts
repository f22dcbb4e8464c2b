import type { Command } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { readJsonObject } from '../json.ts';
import { RequestCode } from '../request-code.ts';

/** Asks a 5.x broker for a consumer group's settings; a broker with auto-creation makes the group (Java `SubscriptionGroupConfig`). */
export const getSubscriptionGroup = defineRequest({
  code: RequestCode.GET_SUBSCRIPTION_GROUP_CONFIG,
  name: 'GET_SUBSCRIPTION_GROUP_CONFIG',
  request: { group: { kind: 'string' } },
  reply: {},
});

export interface SubscriptionGroup {
  /** Redeliveries after which a message goes to the dead letter queue; brokers start groups with 16. */
  readonly retryMaxTimes: number;
}

export const retryMaxTimesDefault = 16;

export function decodeSubscriptionGroup(reply: Command): SubscriptionGroup {
  const value = readJsonObject(reply.body, 'a subscription group')['retryMaxTimes'];
  return { retryMaxTimes: typeof value === 'number' && Number.isInteger(value) ? value : retryMaxTimesDefault };
}
