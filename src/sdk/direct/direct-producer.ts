import { randomUUID } from 'node:crypto';
import type { ClientParts } from '../../client/api/client-parts.ts';
import type { Message } from '../../client/api/message.ts';
import { Producer } from '../../client/api/producer.ts';
import type { TransactionProducer } from '../../client/api/transaction-producer.ts';
import type { ProducerPort } from '../gateway.ts';
import type { CallOptions, Draft, SendResult, TransactionResult } from '../message.ts';
import { invalid, MQError } from '../mq-error.ts';
import { type QueuedSend, SendQueue, settleBy } from '../send-queue.ts';
import { fromClientError } from './direct-errors.ts';

/** Longest immunity against transaction checks, in s: a day. */
const checkImmunitySecondsMax = 86_400;

/** Sends messages of one topic straight to brokers. */
export class DirectProducer implements ProducerPort {
  readonly id = `direct-producer-${randomUUID()}`;
  readonly topic: string;
  readonly #producer: Producer;
  readonly #transactions: TransactionProducer;
  readonly #timeoutMs: number;
  readonly #onClosed: () => void;
  /** Only for the order of sharding keys: the client puts the requests of one turn of the event loop together by itself. */
  readonly #queue = new SendQueue((batch) => this.#sendEach(batch), false);
  #isClosed = false;

  /** @param transactions shared by all producers. */
  constructor(parts: ClientParts, topic: string, transactions: TransactionProducer, onClosed: () => void) {
    this.topic = topic;
    this.#producer = new Producer(parts);
    this.#transactions = transactions;
    this.#timeoutMs = parts.timeoutMs;
    this.#onClosed = onClosed;
  }

  /** Makes sure that messages have somewhere to go. @throws RocketMQError. */
  check(call: CallOptions): Promise<void> {
    return this.#producer.check(this.topic, callOf(call));
  }

  send(draft: Draft, call: CallOptions): Promise<SendResult> {
    return this.#queue.add(draft, call, this.#timeoutMs);
  }

  async #sendNow(draft: Draft, call: CallOptions): Promise<SendResult> {
    try {
      this.#check();
      const { messageId } = await this.#producer.send(this.#messageOf(draft), callOf(call));
      return { messageId, receiptHandle: messageId };
    } catch (error) {
      throw fromClientError(error);
    }
  }

  async sendTransaction(draft: Draft, call: CallOptions): Promise<TransactionResult> {
    const { checkImmunitySeconds, deliverTimestampMs } = draft;
    if (checkImmunitySeconds < 0 || checkImmunitySeconds > checkImmunitySecondsMax) {
      const bounds = `it may be 0 (the broker's own) to ${checkImmunitySecondsMax} seconds`;
      throw invalid(`transCheckImmunityTime is ${checkImmunitySeconds}; ${bounds}`);
    }
    // RocketMQ loses half messages that are to be delivered later.
    if (deliverTimestampMs > 0n) {
      const sent = await this.send(draft, call);
      return { ...sent, transactionId: sent.messageId };
    }
    try {
      this.#check();
      const transaction = await this.#transactions.send(this.#messageOf(draft), callOf(call));
      transaction.commit();
      const { messageId, transactionId } = transaction;
      return { messageId, receiptHandle: messageId, transactionId };
    } catch (error) {
      throw fromClientError(error);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#producer.close();
    this.#onClosed();
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
    if (this.#isClosed) throw new MQError('NOT_FOUND', 'ID_NOT_FOUND', 'the producer was cleaned up: make another one');
  }

  /** @throws MQError INVALID_ARGUMENT. */
  #messageOf(draft: Draft): Message {
    const { kind, body, tag, properties, messageKey, shardingKey, delayLevel, deliverTimestampMs } = draft;
    if (kind === 'ordered' && shardingKey === '')
      throw invalid('the sharding key is empty: name the key whose messages stay in order');
    if (deliverTimestampMs < 0n)
      throw invalid('startDeliverTime is below 0; it is a time in ms since 1970, 0 for none');
    const delay =
      deliverTimestampMs > 0n ? { deliverAt: Number(deliverTimestampMs) } : { delayLevel: Number(delayLevel) };
    const keys = messageKey.split(/\s+/).filter((key) => key !== '');
    return { topic: this.topic, body, tag, properties, keys, shardingKey, ...delay };
  }
}

/** Without what is not there. */
export function callOf({ timeoutMs, signal }: CallOptions) {
  return { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) };
}
