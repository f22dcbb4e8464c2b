import { optionalText } from '../body-fields.ts';
import type { Command, CommandContent } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, readJsonObject } from '../json.ts';
import { RequestCode } from '../request-code.ts';
import { decodeSubscription, type Subscription } from './heartbeat.ts';

/** Asks whether a broker can filter by a subscription (Java `CheckClientRequestBody`). SUBSCRIPTION_PARSE_FAILED: it cannot. */
export const checkClientConfig = defineRequest({
  code: RequestCode.CHECK_CLIENT_CONFIG,
  name: 'CHECK_CLIENT_CONFIG',
  request: {},
  reply: {},
});

export interface ClientConfig {
  readonly clientId: string;
  readonly group: string;
  readonly subscription: Subscription | undefined;
}

export function encodeClientConfig({ clientId, group, subscription }: ClientConfig): CommandContent {
  const subscriptionData =
    subscription === undefined
      ? undefined
      : {
          topic: subscription.topic,
          subString: subscription.expression,
          subVersion: subscription.version,
          expressionType: subscription.expressionType ?? 'TAG',
        };
  return checkClientConfig.encode({}, Buffer.from(JSON.stringify({ clientId, group, subscriptionData })));
}

/** @throws RemotingError `malformed`, naming the field. */
export function decodeClientConfig(request: Command): ClientConfig {
  const body = readJsonObject(request.body, 'a client configuration');
  const subscription = body['subscriptionData'];
  return {
    clientId: optionalText(body, 'clientId') ?? '',
    group: optionalText(body, 'group') ?? '',
    subscription: isJsonObject(subscription) ? decodeSubscription(subscription) : undefined,
  };
}
