import type { Channel } from '../remoting/channel.ts';
import type { Deadline } from '../remoting/deadline.ts';
import { ResponseError } from '../remoting/errors.ts';
import { checkClientConfig, encodeClientConfig } from '../remoting/requests/check-client-config.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { ClientError } from './errors.ts';
import type { MessageFilter } from './message-filter.ts';
import type { Subscriber } from './subscriber.ts';

/** Who wants to receive what. */
export interface FilterCheck {
  readonly clientId: string;
  readonly subscriber: Subscriber;
  readonly filter: MessageFilter;
}

/**
 * Makes sure that each of the brokers can filter so, by asking it; tags every broker can filter by, so for these nothing is asked.
 * @throws ClientError `unsupported` when a broker does not filter by conditions, `invalid` when it cannot read this one; RemotingError,
 * ResponseError as a request fails.
 */
export async function checkFilter(
  { clientId, subscriber, filter }: FilterCheck,
  brokers: readonly Channel[],
  deadline: Deadline,
): Promise<void> {
  if (filter.type === 'TAG') return;
  const { expression, type: expressionType } = filter;
  const subscription = { topic: subscriber.topic, expression, expressionType, version: Date.now() };
  const request = encodeClientConfig({ clientId, group: subscriber.group, subscription });
  await Promise.all(
    brokers.map(async (channel) => {
      const reply = await channel.invoke(request, deadline);
      try {
        checkClientConfig.decodeReply(reply, channel.address);
      } catch (error) {
        throw explained(error, filter);
      }
    }),
  );
}

function explained(error: unknown, filter: MessageFilter): unknown {
  if (!(error instanceof ResponseError)) return error;
  switch (error.code) {
    case ResponseCode.SYSTEM_ERROR:
    case ResponseCode.REQUEST_CODE_NOT_SUPPORTED:
      return new ClientError(
        'unsupported',
        `a broker does not filter by ${filter.type}: set enablePropertyFilter=true in its configuration and restart it, or filter by tags`,
        error,
      );
    case ResponseCode.SUBSCRIPTION_PARSE_FAILED:
      return new ClientError(
        'invalid',
        `the brokers cannot read the ${filter.type} condition${placeIn(error.remark)}: ${JSON.stringify(filter.expression)}`,
        error,
      );
    default:
      return error;
  }
}

/** Where the mistake is, where the broker says so: of its text, which may hold inner addresses, nothing else is passed on. */
function placeIn(remark: string): string {
  const [java] = /\bat line \d{1,4}, column \d{1,4}\b/.exec(remark) ?? [];
  const [engine] = /\bat character \d{1,4}\b/.exec(remark) ?? [];
  const place = java ?? engine;
  return place === undefined ? '' : ` (${place})`;
}
