import type { ServerRequestHandler } from '../../remoting/channel.ts';
import type { Answer } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { getConsumerRunningInfo } from '../../remoting/requests/consumer-running-info.ts';
import { getConsumerStatus } from '../../remoting/requests/get-consumer-status.ts';
import { decodeClientOffsets } from '../../remoting/requests/reset-client-offset.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { PullGroups } from '../pull/pull-groups.ts';
import type { RequestReply } from '../send/request-reply.ts';
import type { Transactions } from '../send/transactions.ts';
import type { Heartbeats } from './heartbeats.ts';
import { consumerStatusAnswer, runningInfoAnswer } from './running-info.ts';

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
        void pullGroups.find(request.extFields['group'] ?? '')?.reset(decodeClientOffsets(request));
        return success;
      case RequestCode.GET_CONSUMER_STATUS_FROM_CLIENT: {
        const { topic, group } = getConsumerStatus.decode(request);
        return consumerStatusAnswer(topic, pullGroups.find(group));
      }
      case RequestCode.GET_CONSUMER_RUNNING_INFO: {
        const { consumerGroup } = getConsumerRunningInfo.decode(request);
        const consumer = heartbeats.consumers.find(({ groupName }) => groupName === consumerGroup);
        return runningInfoAnswer(consumer, pullGroups.find(consumerGroup));
      }
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
