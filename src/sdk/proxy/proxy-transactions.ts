import {
  TransactionOutcome as RequestedOutcome,
  RocketMQProxy,
  type TransactionCheck,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import type { TransactionsPort } from '../gateway.ts';
import type { CallOptions, Draft, SettleResult } from '../message.ts';
import { MQError } from '../mq-error.ts';
import type { HalfMessage, HalfResult, TransactionOutcome } from '../transaction.ts';
import { Home } from './home.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import { transactionFieldsOf } from './send-fields.ts';
import type { SessionId } from './session-id.ts';

const { method } = RocketMQProxy;

const outcomes = { commit: RequestedOutcome.COMMIT, rollback: RequestedOutcome.ROLLBACK } as const;

/** Transactions of one producer by proxies. */
export class ProxyTransactions implements TransactionsPort {
  readonly #calls: ProxyCalls;
  readonly #session: SessionId;
  readonly #producerGroup: string;
  readonly #home: Home;

  /** @param producerGroup '' for the one of the topic's name. */
  constructor(calls: ProxyCalls, session: SessionId, producerGroup: string) {
    this.#calls = calls;
    this.#session = session;
    this.#producerGroup = producerGroup;
    this.#home = new Home(calls, session);
  }

  begin(draft: Draft, call: CallOptions): Promise<HalfResult> {
    return this.#session.use(async (producerId) => {
      const half = { leftPending: true, producerGroup: this.#producerGroup };
      const fields = { producerId, ...transactionFieldsOf(draft), ...half };
      const reply = await this.#calls.unary(method.sendTransactionMessage, fields, { call, isSend: true });
      const { messageId, receiptHandle, transactionId, transactionHandle } = reply;
      if (transactionHandle === '') throw committedAtOnce(messageId);
      return { messageId, receiptHandle, transactionId, transactionHandle };
    });
  }

  end(transactionHandle: string, outcome: TransactionOutcome, call: CallOptions): Promise<SettleResult> {
    // Where no answer comes it is not made again by itself: brokers deliver a copy for each commit, and two proxies know nothing of each other's.
    const by = { call, isSend: true, preferred: this.#home.channel };
    return this.#session.use(async (producerId) => {
      const fields = { producerId, transactionHandle, outcome: outcomes[outcome] };
      const { success, message } = await this.#calls.unary(method.endTransaction, fields, by);
      return { success, message };
    });
  }

  checks(signal: AbortSignal): AsyncGenerator<HalfMessage> {
    const producerGroup = this.#producerGroup;
    return this.#home.stream(
      {
        method: method.receiveTransactionChecks,
        request: (producerId) => ({ producerId, producerGroup, binaryBodies: true }),
        read: halfMessageOf,
      },
      signal,
    );
  }
}

function halfMessageOf(check: TransactionCheck): HalfMessage {
  const { messageId, transactionId, transactionHandle, binaryBody, tag, properties, bornTimestamp } = check;
  const bytes = Buffer.from(binaryBody.buffer, binaryBody.byteOffset, binaryBody.length);
  return {
    messageId,
    transactionId,
    transactionHandle,
    body: bytes.toString(),
    bytes,
    tag,
    properties,
    bornTimestamp: Number(bornTimestamp),
  };
}

/** A proxy that does not know the field has done what it always does. */
function committedAtOnce(messageId: string): MQError {
  const text = `the proxy knows no transactions that its callers end, and has committed message ${messageId}: use a newer one`;
  return new MQError('UNIMPLEMENTED', 'NOT_SUPPORTED', text);
}
