import type { ServerRequestHandler } from '../remoting/channel.ts';
import type { Answer } from '../remoting/command.ts';
import { RequestCode } from '../remoting/request-code.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import type { Heartbeats } from './heartbeats.ts';
import type { PullGroups } from './pull/pull-groups.ts';
import type { RequestReply } from './request-reply.ts';
import type { Transactions } from './transactions.ts';

/** Who knows what brokers may ask. */
export interface ServerRequestParts {
  readonly heartbeats: Heartbeats;
  readonly pullGroups: PullGroups;
  readonly transactions: () => Pick<Transactions, 'answerCheck'>;
  readonly requestReply: () => RequestReply;
}

/** Answers what brokers ask their clients. Codes that are not listed here are answered "not supported" by the channel. */
export function createServerRequestHandler({
  heartbeats,
  pullGroups,
  transactions,
  requestReply,
}: ServerRequestParts): ServerRequestHandler {
  return async (request, channel): Promise<Answer | undefined> => {
    switch (request.code) {
      case RequestCode.CHECK_TRANSACTION_STATE:
        transactions().answerCheck(request, channel);
        return success;
      // Of groups that receive by POP the broker keeps offsets and shares out messages: nothing changes for them.
      case RequestCode.NOTIFY_CONSUMER_IDS_CHANGED:
        pullGroups.find(request.extFields['consumerGroup'] ?? '')?.membersChanged();
        return success;
      case RequestCode.RESET_CONSUMER_CLIENT_OFFSET:
        return success;
      case RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT:
        return withBody({ messageQueueTable: {}, consumerTable: {} });
      case RequestCode.GET_CONSUMER_RUNNING_INFO:
        return withBody(runningInfo(heartbeats, request.extFields['consumerGroup'] ?? ''));
      case RequestCode.CONSUME_MESSAGE_DIRECTLY:
        return withBody({
          order: false,
          autoCommit: true,
          consumeResult: 'CR_THROW_EXCEPTION',
          remark: 'this client hands messages to readers of its own and cannot be made to consume one',
          spentTimeMills: 0,
        });
      case RequestCode.PUSH_REPLY_MESSAGE_TO_CLIENT:
        return requestReply().take(request);
      default:
        return undefined;
    }
  };
}

const success: Answer = { code: ResponseCode.SUCCESS };

function withBody(body: object): Answer {
  return { ...success, body: Buffer.from(JSON.stringify(body)) };
}

/** As Java `ConsumerRunningInfo`: what operators' tools show of a consumer. */
function runningInfo(heartbeats: Heartbeats, group: string): object {
  const consumer = heartbeats.consumers.find(({ groupName }) => groupName === group);
  return {
    properties: { PROP_CONSUME_TYPE: 'CONSUME_POP', PROP_CLIENT_VERSION: 'V5_3_1' },
    subscriptionSet: (consumer?.subscriptions ?? []).map(({ topic, expression, version }) => ({
      topic,
      subString: expression,
      subVersion: version,
      expressionType: 'TAG',
    })),
    mqTable: {},
    mqPopTable: {},
    statusTable: {},
    userConsumerInfo: {},
  };
}
