import { randomUUID } from 'node:crypto';
import type { ClientParts } from '../../client/api/client-parts.ts';
import { Producer } from '../../client/api/producer.ts';
import type { TransactionProducer } from '../../client/api/transaction-producer.ts';
import type { CheckedGroups } from '../../client/send/checked-groups.ts';
import type { ProducerPort } from '../gateway.ts';
import type { LiveProducer } from '../listings.ts';
import {
  type CallOptions,
  type Draft,
  type RecallResult,
  type SendResult,
  type TransactionResult,
  toSendResult,
} from '../message.ts';
import { MQError } from '../mq-error.ts';
import { type QueuedSend, SendQueue, settleBy } from '../send-queue.ts';
import { callOf, checkImmunity, messageOf } from './direct-calls.ts';
import { fromClientError } from './direct-errors.ts';
import { DirectHandles } from './direct-handles.ts';
import { DirectTransactions } from './direct-transactions.ts';

export interface DirectProducerParts {
  readonly client: ClientParts;
  /** As the user names it, and so the group. */
  readonly topic: string;
  readonly producerGroup: string | undefined;
  /** Those that are committed at once; shared by all producers. */
  readonly atOnce: TransactionProducer;
  /** Shared by all producers. */
  readonly checkedGroups: CheckedGroups;
  readonly onClosed: () => void;
}

/** Sends messages of one topic straight to brokers. */
export class DirectProducer implements ProducerPort {
  readonly id = `direct-producer-${randomUUID()}`;
  readonly topic: string;
  readonly transactions: DirectTransactions;
  readonly #parts: DirectProducerParts;
  readonly #producer: Producer;
  readonly #recallHandles: DirectHandles<string>;
  readonly #createdMs = Date.now();
  #usedMs = this.#createdMs;
  /** Only for the order of sharding keys: the client puts the requests of one turn of the event loop together by itself. */
  readonly #queue = new SendQueue((batch) => this.#sendEach(batch), false);
  #isClosed = false;

  /** @throws RocketMQError `INVALID_ARGUMENT`. */
  constructor(parts: DirectProducerParts) {
    const { client, topic } = parts;
    this.topic = topic;
    this.#parts = parts;
    this.#producer = new Producer(client);
    const asIs = { encode: String, decode: String };
    this.#recallHandles = new DirectHandles('recall handle', [client.rules.fullTopic(topic)], asIs);
    this.transactions = new DirectTransactions({ ...parts, check: () => this.#check() });
  }

  /** As listings tell of it. */
  get live(): LiveProducer {
    const { id: producerId, topic } = this;
    return { producerId, topic, createdTimestamp: this.#createdMs, lastUsedTimestamp: this.#usedMs };
  }

  /** Makes sure that messages have somewhere to go. @throws RocketMQError. */
  check(call: CallOptions): Promise<void> {
    return this.#producer.check(this.topic, callOf(call));
  }

  send(draft: Draft, call: CallOptions): Promise<SendResult> {
    return this.#queue.add(draft, call, this.#parts.client.timeoutMs);
  }

  async #sendNow(draft: Draft, call: CallOptions): Promise<SendResult> {
    try {
      this.#check();
      const { messageId, recallHandle } = await this.#producer.send(messageOf(this.topic, draft), callOf(call));
      return toSendResult(messageId, messageId, recallHandle && this.#recallHandles.encode(recallHandle));
    } catch (error) {
      throw fromClientError(error);
    }
  }

  async sendTransaction(draft: Draft, call: CallOptions): Promise<TransactionResult> {
    checkImmunity(draft);
    // RocketMQ loses half messages that are to be delivered later.
    if (draft.deliverTimestampMs > 0n) {
      const { messageId, receiptHandle } = await this.send(draft, call);
      return { messageId, receiptHandle, transactionId: messageId };
    }
    try {
      this.#check();
      const transaction = await this.#parts.atOnce.send(messageOf(this.topic, draft), callOf(call));
      transaction.commit();
      const { messageId, transactionId } = transaction;
      return { messageId, receiptHandle: messageId, transactionId };
    } catch (error) {
      throw fromClientError(error);
    }
  }

  async recall(recallHandle: string, call: CallOptions): Promise<RecallResult> {
    try {
      this.#check();
      const handle = this.#recallHandles.decode(recallHandle);
      return { messageId: await this.#producer.recall(this.topic, handle, callOf(call)) };
    } catch (error) {
      throw fromClientError(error);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#producer.close();
    this.#parts.onClosed();
  }

  async #sendEach(batch: readonly QueuedSend[]): Promise<void> {
    await Promise.all(
      batch.map((send) => {
        const timeoutMs = Math.max(1, send.endsAtMs - Date.now());
        return settleBy(send, () => this.#sendNow(send.draft, { timeoutMs, signal: send.signal }));
      }),
    );
  }

  #check(): void {
    this.#usedMs = Date.now();
    if (this.#isClosed) throw new MQError('NOT_FOUND', 'ID_NOT_FOUND', 'the producer was cleaned up: make another one');
  }
}
