import { RocketMQProxy, type SendMessageResponse, type SendOutcome } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { ProducerPort, ProducerRequest, TransactionsPort } from '../gateway.ts';
import {
  type CallOptions,
  type Draft,
  type RecallResult,
  type SendResult,
  type TransactionResult,
  toSendResult,
} from '../message.ts';
import { codeName, MQError, toMQError } from '../mq-error.ts';
import { type QueuedSend, SendQueue, settleBy } from '../send-queue.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import { ProxyTransactions } from './proxy-transactions.ts';
import { PublishStreams } from './publish-streams.ts';
import { fieldsOf, outgoingOf, transactionFieldsOf } from './send-fields.ts';
import { SessionId } from './session-id.ts';

const { method } = RocketMQProxy;

/** Whose messages they are. */
export interface Target {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
}

export interface ProducerParts {
  readonly calls: ProxyCalls;
  readonly target: Target;
  /** Whether sends of one turn of the event loop go together. */
  readonly isBatching: boolean;
}

/** Sends messages of one topic by proxies. */
export class ProxyProducer implements ProducerPort {
  readonly transactions: TransactionsPort;
  readonly #calls: ProxyCalls;
  readonly #session: SessionId;
  readonly #queue: SendQueue;
  readonly #streams: PublishStreams;

  private constructor({ calls, isBatching }: ProducerParts, session: SessionId, producerGroup: string) {
    this.transactions = new ProxyTransactions(calls, session, producerGroup);
    this.#calls = calls;
    this.#session = session;
    this.#streams = new PublishStreams(calls);
    this.#queue = new SendQueue((batch) => this.#sendTogether(batch), isBatching);
  }

  /** @throws MQError. */
  static async create(parts: ProducerParts, request: ProducerRequest, call: CallOptions): Promise<ProxyProducer> {
    const { producerGroup = '', ...names } = request;
    const create = async (by: CallOptions): Promise<string> => {
      const fields = { ...parts.target, ...names };
      return (await parts.calls.unary(method.createProducer, fields, { call: by, repeatable: true })).producerId;
    };
    return new ProxyProducer(parts, new SessionId(await create(call), () => create({})), producerGroup);
  }

  get id(): string {
    return this.#session.id;
  }

  send(draft: Draft, call: CallOptions): Promise<SendResult> {
    return this.#queue.add(draft, call, this.#calls.timeoutMs);
  }

  sendTransaction(draft: Draft, call: CallOptions): Promise<TransactionResult> {
    return this.#session.use(async (producerId) => {
      const fields = { producerId, ...transactionFieldsOf(draft) };
      const reply = await this.#calls.unary(method.sendTransactionMessage, fields, { call, isSend: true });
      return { messageId: reply.messageId, receiptHandle: reply.receiptHandle, transactionId: reply.transactionId };
    });
  }

  recall(recallHandle: string, call: CallOptions): Promise<RecallResult> {
    return this.#session.use(async (producerId) => {
      const { messageId } = await this.#calls.unary(method.recallMessage, { producerId, recallHandle }, { call });
      return { messageId };
    });
  }

  async close(): Promise<void> {
    this.#streams.end();
    await this.#calls.unary(method.cleanupProducer, { producerId: this.id }, { call: {}, repeatable: true });
  }

  /** Never fails: each send is settled. */
  async #sendTogether(batch: readonly QueuedSend[]): Promise<void> {
    const [first] = batch;
    const isSingle = batch.length === 1 && (first?.isAlone === true || !this.#streams.isOpen);
    if (isSingle && first !== undefined) return settleBy(first, () => this.#sendOne(first));
    try {
      await this.#sendBatch(batch);
    } catch (error) {
      const failure = toMQError(error);
      for (const { reject } of batch) reject(failure);
    }
  }

  #sendOne({ draft, endsAtMs, signal }: QueuedSend): Promise<SendResult> {
    const by = { call: { timeoutMs: Math.max(1, endsAtMs - Date.now()), signal }, isSend: true };
    return this.#session.use(async (producerId) => {
      const fields = { producerId, ...fieldsOf(draft) };
      const { delayLevel: delayTimeLevel, deliverTimestampMs: startDeliverTime, shardingKey } = draft;
      switch (draft.kind) {
        case 'ordered':
          return resultOf(await this.#calls.unary(method.sendOrderedMessage, { ...fields, shardingKey }, by));
        case 'delayed': {
          const delay = { delayTimeLevel, startDeliverTime };
          return resultOf(await this.#calls.unary(method.sendDelayMessage, { ...fields, ...delay }, by));
        }
        case 'normal':
          return resultOf(await this.#calls.unary(method.sendMessage, fields, by));
      }
    });
  }

  async #sendBatch(batch: readonly QueuedSend[]): Promise<void> {
    const endsAtMs = Math.max(...batch.map((send) => send.endsAtMs));
    const messages = batch.map(({ draft }) => outgoingOf(draft));
    const outcomes = await this.#session.use((producerId) =>
      this.#streams.send({ producerId, messages }, { endsAtMs }),
    );
    for (const [index, send] of batch.entries()) settle(send, outcomes[index]);
  }
}

function settle({ resolve, reject }: QueuedSend, sent: SendOutcome | undefined): void {
  const outcome = sent?.outcome;
  if (sent === undefined || outcome === undefined) {
    reject(new MQError('INTERNAL', 'OUTCOME_UNKNOWN', 'the proxy did not say how the message fared'));
  } else if (outcome.success) resolve(toSendResult(sent.messageId, sent.messageId, sent.recallHandle));
  else reject(new MQError(codeName(outcome.code), outcome.reason, outcome.message));
}

function resultOf(reply: Pick<SendMessageResponse, 'messageId' | 'receiptHandle' | 'recallHandle'>): SendResult {
  return toSendResult(reply.messageId, reply.receiptHandle, reply.recallHandle);
}
