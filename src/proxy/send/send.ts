import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OutgoingMessage } from '../../client/send/outgoing-message.ts';
import type {
  RawSendDelayMessageRequest,
  RawSendMessageRequest,
  RawSendOrderedMessageRequest,
} from '../../gen/rocketmq/rocketmq_codec.ts';
import type {
  SendDelayMessageRequest,
  SendMessageRequest,
  SendMessageResponseSchema,
  SendOrderedMessageRequest,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import { type Call, deadlineOf } from '../rpc/call.ts';
import { invalid } from '../rpc/failures.ts';
import type { ProducerSpec } from '../session/session-specs.ts';
import { storedReply } from './outcomes.ts';
import { toOutgoing } from './outgoing.ts';
import { createPublishHandlers, type PublishHandlers } from './publish.ts';
import { createRecallHandlers, type RecallHandlers, sealRecall } from './recall.ts';
import { createSendBatchHandlers, type SendBatchHandlers } from './send-batch.ts';
import type { SendOptions, SendParts } from './send-options.ts';
import { createTransactionCheckHandlers, type TransactionCheckHandlers } from './transaction-checks.ts';
import { createTransactionHandlers, type TransactionHandlers } from './transactions.ts';

type SendReply = MessageInitShape<typeof SendMessageResponseSchema>;

/** Handlers of all ways to send. */
export interface SendHandlers
  extends SendBatchHandlers,
    PublishHandlers,
    TransactionHandlers,
    TransactionCheckHandlers,
    RecallHandlers {
  sendMessage(request: SendMessageRequest | RawSendMessageRequest, call: Call): Promise<SendReply>;
  sendOrderedMessage(request: SendOrderedMessageRequest | RawSendOrderedMessageRequest, call: Call): Promise<SendReply>;
  sendDelayMessage(request: SendDelayMessageRequest | RawSendDelayMessageRequest, call: Call): Promise<SendReply>;
}

export function createSendHandlers(parts: SendParts, options: SendOptions): SendHandlers {
  const { engines, sessions, handles } = parts;
  const store = async (spec: ProducerSpec, message: OutgoingMessage, call: Call) => {
    const deadline = deadlineOf(call, options.writeTimeoutMs);
    const { messageId, recallHandle } = await engines.get(spec).producer.send(message, deadline);
    options.onSent(1);
    return { ...storedReply(messageId), recallHandle: sealRecall(handles, spec, recallHandle) };
  };

  return {
    async sendMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      return store(spec, toOutgoing(spec.topic, request), call);
    },

    async sendOrderedMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      const message = toOutgoing(spec.topic, request, { shardingKey: request.shardingKey });
      if (message.shardingKey === undefined)
        throw invalid('sharding_key is empty: name the key whose messages stay in order');
      return store(spec, message, call);
    },

    async sendDelayMessage(request, call) {
      const spec = sessions.producer(request.producerId, call.caller);
      const { delayTimeLevel: delayLevel, startDeliverTime: deliverTimestampMs } = request;
      return store(spec, toOutgoing(spec.topic, request, { delayLevel, deliverTimestampMs }), call);
    },

    ...createTransactionHandlers(parts, options, store),
    ...createTransactionCheckHandlers(parts, options),
    ...createRecallHandlers(parts, options),
    ...createSendBatchHandlers(parts, options),
    ...createPublishHandlers(parts, options),
  };
}
