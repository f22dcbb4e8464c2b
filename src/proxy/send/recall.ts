import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RecallMessageRequest, RecallMessageResponseSchema } from '../../gen/rocketmq/rocketmq_pb.ts';
import { type Call, deadlineOf } from '../rpc/call.ts';
import type { ProducerSpec } from '../session/session-specs.ts';
import type { ProducerHandles } from './producer-handles.ts';
import type { SendOptions, SendParts } from './send-options.ts';

/** The handler of taking messages back. */
export interface RecallHandlers {
  recallMessage(
    request: RecallMessageRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof RecallMessageResponseSchema>>;
}

export function createRecallHandlers(
  { engines, sessions, handles }: SendParts,
  { writeTimeoutMs }: SendOptions,
): RecallHandlers {
  return {
    async recallMessage({ producerId, recallHandle }, call) {
      const spec = sessions.producer(producerId, call.caller);
      const handle = handles.open('recall', spec, recallHandle);
      const messageId = await engines.get(spec).recalls.recall(spec.topic, handle, deadlineOf(call, writeTimeoutMs));
      return { success: true, message: 'the message is taken back', messageId };
    },
  };
}

/** What RecallMessage takes: a broker's own handle names the broker, and is neither signed nor bound to anybody. */
export function sealRecall(handles: ProducerHandles, spec: ProducerSpec, recallHandle: string | undefined): string {
  return recallHandle === undefined ? '' : handles.seal('recall', spec, recallHandle);
}
