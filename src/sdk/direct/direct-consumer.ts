import { randomUUID } from 'node:crypto';
import { runCall } from '../../client/api/call.ts';
import type { Consumer } from '../../client/consumer.ts';
import type { Claim } from '../../client/receipt.ts';
import type { ReceivedMessage } from '../../client/received-message.ts';
import { shownProperties } from '../../client/shown-properties.ts';
import type { ConsumerPort, ReceiveOptions } from '../gateway.ts';
import type { LiveConsumer } from '../listings.ts';
import type { CallOptions, MessageData, SettleResult } from '../message.ts';
import { MQError } from '../mq-error.ts';
import { callOf } from './direct-calls.ts';
import { fromClientError } from './direct-errors.ts';
import type { DirectHandles } from './direct-handles.ts';

/** Most messages that a stream may have un-acknowledged, as by proxies. */
const messagesMaxDefault = 1_000;

export interface DirectConsumerParts {
  /** Open. */
  readonly consumer: Consumer;
  /** As the user names them. */
  readonly topic: string;
  readonly groupId: string;
  readonly options: ReceiveOptions;
  readonly receipts: DirectHandles<Claim>;
  readonly timeoutMs: number;
  readonly onClosed: () => void;
}

/** Receives messages of one topic straight from brokers. */
export class DirectConsumer implements ConsumerPort {
  readonly id = `direct-consumer-${randomUUID()}`;
  readonly topic: string;
  readonly groupId: string;
  readonly #parts: DirectConsumerParts;
  readonly #createdMs = Date.now();
  #usedMs = this.#createdMs;
  #isClosed = false;

  constructor(parts: DirectConsumerParts) {
    this.#parts = parts;
    this.topic = parts.topic;
    this.groupId = parts.groupId;
  }

  /** As listings tell of it. */
  get live(): LiveConsumer {
    const { id: consumerId, topic, groupId } = this;
    const { streamCount, inFlightCount } = this.#parts.consumer;
    const times = { createdTimestamp: this.#createdMs, lastUsedTimestamp: this.#usedMs };
    return { consumerId, topic, groupId, ...times, streamCount, inFlightCount };
  }

  async *stream(signal: AbortSignal): AsyncGenerator<MessageData<string | Buffer>> {
    this.#check();
    const { consumer, options, receipts } = this.#parts;
    const { messagesMax = messagesMaxDefault, binaryBodies = false } = options;
    try {
      for await (const message of consumer.stream({ messagesMax, signal })) {
        yield received(message, receipts.encode(message.receipt), binaryBodies);
      }
    } catch (error) {
      if (!signal.aborted) throw fromClientError(error);
    }
  }

  async ack(receiptHandle: string, call: CallOptions): Promise<SettleResult> {
    const receipt = this.#open(receiptHandle);
    await this.#run(call, (deadline) => this.#parts.consumer.ack(receipt, deadline));
    return { success: true, message: 'the message is acknowledged' };
  }

  async nack(receiptHandle: string, delayMs: number, call: CallOptions): Promise<SettleResult> {
    const receipt = this.#open(receiptHandle);
    await this.#run(call, (deadline) => this.#parts.consumer.nack(receipt, delayMs, deadline));
    return { success: true, message: 'the message comes again' };
  }

  async changeInvisibleDuration(receiptHandle: string, durationMs: number, call: CallOptions): Promise<string> {
    const { consumer, receipts } = this.#parts;
    const receipt = this.#open(receiptHandle);
    const changed = await this.#run(call, (deadline) =>
      consumer.changeInvisibleDuration(receipt, durationMs, deadline),
    );
    return receipts.encode(changed);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#parts.consumer.close();
    this.#parts.onClosed();
  }

  #check(): void {
    this.#usedMs = Date.now();
    if (this.#isClosed) throw new MQError('NOT_FOUND', 'ID_NOT_FOUND', 'the consumer was cleaned up: make another one');
  }

  #open(receiptHandle: string) {
    this.#check();
    return this.#parts.receipts.decode(receiptHandle);
  }

  async #run<T>(call: CallOptions, work: Parameters<typeof runCall<T>>[2]): Promise<T> {
    try {
      return await runCall(callOf(call), this.#parts.timeoutMs, work);
    } catch (error) {
      throw fromClientError(error);
    }
  }
}

function received(
  message: ReceivedMessage,
  receiptHandle: string,
  binaryBodies: boolean,
): MessageData<string | Buffer> {
  const { messageId, body, tag = '', properties, bornTimestampMs: bornTimestamp, reconsumeTimes } = message;
  return {
    messageId,
    receiptHandle,
    body: binaryBodies ? body : body.toString(),
    tag,
    properties: shownProperties(properties),
    bornTimestamp,
    reconsumeTimes,
  };
}
