import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectError } from '@connectrpc/connect';
import { changedDurationMsMax } from '../../client/pop/settler.ts';
import type {
  AckMessageRequest,
  AckMessageResponseSchema,
  AckMessagesRequest,
  AckMessagesResponseSchema,
  ChangeInvisibleDurationRequest,
  ChangeInvisibleDurationResponseSchema,
  NackMessageRequest,
  NackMessageResponseSchema,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import { settle } from '../instances/peer-answers.ts';
import type { Settlement } from '../instances/peer-messages.ts';
import type { Peers } from '../instances/peers.ts';
import { type Call, deadlineOf } from '../rpc/call.ts';
import { invalid } from '../rpc/failures.ts';
import { checkCount, countText, Failures, type OutcomeReply, successOf } from '../send/outcomes.ts';
import type { Sessions } from '../session/sessions.ts';
import type { ConsumerSession } from './consumer-session.ts';
import type { OpenedReceipt, Receipts } from './receipts.ts';

/** Most receipt handles of one AckMessages. */
export const ackHandlesMax = 1_000;

type AckReply = MessageInitShape<typeof AckMessageResponseSchema>;

/** Handlers of what has been received. */
export interface SettleHandlers {
  /** By pull an ack is done at once, and needs no promise. */
  ackMessage(request: AckMessageRequest, call: Call): Promise<AckReply> | AckReply;
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
  /** Asks the instances that handed out what they did. Unset: everything is settled here. */
  readonly peers?: Peers | undefined;
  /** Called with the failures of one request that say nothing of the others in it. */
  readonly onFailures?: ((rpc: string, failures: readonly ConnectError[]) => void) | undefined;
}

interface Opened extends OpenedReceipt {
  readonly session: ConsumerSession;
  readonly consumerId: string;
}

interface Delivered {
  readonly consumerId: string;
  readonly receiptHandle: string;
}

export function createSettleHandlers(sessions: Sessions, receipts: Receipts, options: SettleOptions): SettleHandlers {
  const settler = createSettler(sessions, receipts, options);
  const { settleDelivered } = settler;
  const { onFailures } = options;

  const ack = async (delivered: Delivered, call: Call): Promise<OutcomeReply> => {
    await settler.ack(delivered, call);
    return acknowledged;
  };

  return {
    ackMessage(request, call) {
      try {
        const acked = settler.ack(request, call);
        return acked === undefined ? ackReply : acked.then(() => ackReply);
      } catch (error) {
        return Promise.reject(error);
      }
    },

    async ackMessages({ consumerId, receiptHandles }, call) {
      // An id that is unknown fails the call, not each of its messages.
      sessions.consumer(consumerId, call.caller);
      checkCount('receipt_handles', receiptHandles.length, ackHandlesMax);
      // The acks of one turn of the event loop leave as one request.
      const failures = new Failures();
      const acks = receiptHandles.map((receiptHandle) =>
        ack({ consumerId, receiptHandle }, call).catch(failures.outcomeOf),
      );
      const outcomes = await Promise.all(acks);
      if (failures.all.length > 0) onFailures?.('AckMessages', failures.all);
      return { success: true, message: countText(outcomes, 'acknowledged'), outcomes };
    },

    async nackMessage(request, call) {
      await settleDelivered(request, { kind: 'nack', durationMs: request.delayMs }, call);
      return { success: true, message: 'the message comes again' };
    },

    async changeInvisibleDuration(request, call) {
      const receiptHandle = await settleDelivered(
        request,
        { kind: 'change', durationMs: request.invisibleDurationMs },
        call,
      );
      return {
        success: true,
        message: 'the message stays invisible: go on with the new receipt handle',
        receiptHandle: receiptHandle ?? '',
      };
    },
  };
}

const acknowledged = successOf('the message is acknowledged');
const ackReply: AckReply = { success: acknowledged.success, message: acknowledged.message };
const ackSettlement = { kind: 'ack', durationMs: 0 } as const;

/** What settles messages, where they were handed out or here. */
function createSettler(sessions: Sessions, receipts: Receipts, { writeTimeoutMs, peers }: SettleOptions) {
  /** @returns the handle to go on with, of a change only. */
  const settleOpened = async (
    { session, consumerId, receipt, peer }: Opened,
    { kind, durationMs }: Omit<Settlement, 'receipt'>,
    call: Call,
  ): Promise<string | undefined> => {
    const deadline = deadlineOf(call, writeTimeoutMs);
    const settlement = { kind, receipt, durationMs };
    const isForPeer = peer !== undefined && peers !== undefined;
    const reply = isForPeer
      ? await peers.settle({ peer, callerName: call.caller.name, consumerId, settlement }, deadline)
      : 'gone';
    const isHere = reply === 'gone';
    const changed = isHere ? await settle(session.consumer, settlement, deadline) : reply.receipt;
    return changed === undefined ? undefined : receipts.seal(session.receiptOwner, changed, isHere ? undefined : peer);
  };

  const open = ({ consumerId, receiptHandle }: Delivered, call: Call): Opened => {
    const session = sessions.consumer(consumerId, call.caller);
    const { receipt, peer } = receipts.open(session.receiptOwner, receiptHandle);
    return { session, consumerId, receipt, peer };
  };

  return {
    /** Undefined where it is done already. */
    ack: (delivered: Delivered, call: Call): Promise<unknown> | undefined => {
      const opened = open(delivered, call);
      if (opened.peer === undefined && opened.session.consumer.ackNow?.(opened.receipt) === true) return undefined;
      return settleOpened(opened, ackSettlement, call);
    },

    settleDelivered: async (delivered: Delivered, settlement: Omit<Settlement, 'receipt'>, call: Call) => {
      const opened = open(delivered, call);
      checkDuration(settlement.kind, settlement.durationMs);
      return settleOpened(opened, settlement, call);
    },
  };
}

/** @throws ConnectError INVALID_ARGUMENT. */
function checkDuration(kind: Settlement['kind'], durationMs: number): void {
  const [field, least] = kind === 'change' ? ['invisible_duration_ms', 1] : ['delay_ms', 0];
  if (durationMs < least || durationMs > changedDurationMsMax)
    throw invalid(`${field} is ${durationMs}; it may be ${least} to ${changedDurationMsMax} milliseconds`);
}
