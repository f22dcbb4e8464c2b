import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  CleanupConsumerRequest,
  CleanupConsumerResponseSchema,
  CreateConsumerRequest,
  CreateConsumerResponseSchema,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import { type Call, createTimeoutMs, deadlineOf } from '../rpc/call.ts';
import { groupName, topicName } from '../session/names.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Targets } from '../session/targets.ts';
import { toConsumerOptions } from './consumer-options.ts';

/** Handlers of consumer ids. */
export interface ConsumerHandlers {
  createConsumer(
    request: CreateConsumerRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof CreateConsumerResponseSchema>>;
  cleanupConsumer(
    request: CleanupConsumerRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof CleanupConsumerResponseSchema>>;
}

export function createConsumerHandlers(targets: Targets, sessions: Sessions): ConsumerHandlers {
  return {
    async createConsumer(request, call) {
      const target = targets.resolve(request, call.caller);
      const { namespace, endpoint, accessKeyId, accessKeySecret, owner } = target;
      const topic = topicName(request.topic, namespace);
      const group = groupName(request.groupId, namespace);
      call.caller.checkSubscribe(topic, group);
      const { tagExpression, choices } = toConsumerOptions(request);
      // Not by spreading, as in `consumerSpec`.
      const fields = { endpoint, accessKeyId, accessKeySecret, owner, topic, group, tagExpression, choices };
      const session = sessions.prepareConsumer(fields);
      try {
        const { topicExists } = await targets.reach(target, () => session.open(deadlineOf(call, createTimeoutMs)));
        const consumerId = sessions.register(session);
        return { success: true, message: readyText(request, topicExists), consumerId };
      } catch (error) {
        session.release();
        throw error;
      }
    },

    async cleanupConsumer({ consumerId, groupId, topic }, { caller }) {
      if (consumerId === '' && groupId === '') {
        return { success: true, message: 'nothing was cleaned up: name a consumer_id or a group_id', cleanedCount: 0 };
      }
      const cleanedCount =
        consumerId === ''
          ? sessions.cleanUpConsumers(groupId, topic === '' ? undefined : topic, caller)
          : sessions.cleanUpConsumer(consumerId, caller);
      return { success: true, message: `${cleanedCount} consumers were cleaned up`, cleanedCount };
    },
  };
}

function readyText({ topic, groupId }: CreateConsumerRequest, topicExists: boolean): string {
  if (topicExists) return `consumer of group ${groupId} for topic ${topic} is ready`;
  return `topic ${topic} does not exist yet; the consumer of group ${groupId} receives from it as soon as it does`;
}
