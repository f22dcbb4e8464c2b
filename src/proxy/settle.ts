import type { MessageInitShape } from '@bufbuild/protobuf';
import { changedDurationMsMax } from '../client/pop/settler.ts';
import type {
  AckMessageRequest,
  AckMessageResponseSchema,
  AckMessagesRequest,
  AckMessagesResponseSchema,
  ChangeInvisibleDurationRequest,
  ChangeInvisibleDurationResponseSchema,
  NackMessageRequest,
  NackMessageResponseSchema,
} from '../gen/rocketmq/rocketmq_pb.ts';
import { type Call, deadlineOf } from './call.ts';
import { invalid } from './failures.ts';
import { checkCount, countText, failedOutcome, type OutcomeReply, successOf } from './outcomes.ts';
import type { Receipts } from './receipts.ts';
import type { Sessions } from './sessions.ts';

/** Most receipt handles of one AckMessages. */
export const ackHandlesMax = 1_000;

/** Handlers of what has been received. */
export interface SettleHandlers {
  ackMessage(request: AckMessageRequest, call: Call): Promise<MessageInitShape<typeof AckMessageResponseSchema>>;
  ackMessages(request: AckMessagesRequest, call: Call): Promise<MessageInitShape<typeof AckMessagesResponseSchema>>;
  nackMessage(request: NackMessageRequest, call: Call): Promise<MessageInitShape<typeof NackMessageResponseSchema>>;
  changeInvisibleDuration(
    request: ChangeInvisibleDurationRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof ChangeInvisibleDurationResponseSchema>>;
}

export interface SettleOptions {
  /** Longest time of one call, in ms. */
  readonly writeTimeoutMs: number;
}

interface Delivered {
  readonly consumerId: string;
  readonly receiptHandle: string;
}

export function createSettleHandlers(
  sessions: Sessions,
  receipts: Receipts,
  { writeTimeoutMs }: SettleOptions,
): SettleHandlers {
  const open = ({ consumerId, receiptHandle }: Delivered, { caller }: Call) => {
    const { consumer, receiptOwner } = sessions.consumer(consumerId, caller);
    return { consumer, receiptOwner, receipt: receipts.open(receiptOwner, receiptHandle) };
  };

  const ack = async (delivered: Delivered, call: Call): Promise<OutcomeReply> => {
    const { consumer, receipt } = open(delivered, call);
    await consumer.ack(receipt, deadlineOf(call, writeTimeoutMs));
    return successOf('the message is acknowledged');
  };

  return {
    async ackMessage(request, call) {
      const { success, message } = await ack(request, call);
      return { success, message };
    },

    async ackMessages({ consumerId, receiptHandles }, call) {
      // An id that is unknown fails the call, not each of its messages.
      sessions.consumer(consumerId, call.caller);
      checkCount('receipt_handles', receiptHandles.length, ackHandlesMax);
      // The acks of one turn of the event loop leave as one request.
      const acks = receiptHandles.map((receiptHandle) => ack({ consumerId, receiptHandle }, call).catch(failedOutcome));
      const outcomes = await Promise.all(acks);
      return { success: true, message: countText(outcomes, 'acknowledged'), outcomes };
    },

    async nackMessage(request, call) {
      const { consumer, receipt } = open(request, call);
      checkDuration('delay_ms', request.delayMs, 0);
      await consumer.nack(receipt, request.delayMs, deadlineOf(call, writeTimeoutMs));
      return { success: true, message: 'the message comes again' };
    },

    async changeInvisibleDuration(request, call) {
      const { consumer, receiptOwner, receipt } = open(request, call);
      const { invisibleDurationMs } = request;
      checkDuration('invisible_duration_ms', invisibleDurationMs, 1);
      const changed = await consumer.changeInvisibleDuration(
        receipt,
        invisibleDurationMs,
        deadlineOf(call, writeTimeoutMs),
      );
      const receiptHandle = receipts.seal(receiptOwner, changed);
      return {
        success: true,
        message: 'the message stays invisible: go on with the new receipt handle',
        receiptHandle,
      };
    },
  };
}

function checkDuration(field: string, durationMs: number, least: number): void {
  if (durationMs < least || durationMs > changedDurationMsMax)
    throw invalid(`${field} is ${durationMs}; it may be ${least} to ${changedDurationMsMax} milliseconds`);
}
