import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  ConsumeFrom,
  ConsumeMode,
  type CreateConsumerRequestSchema,
  type Message,
  RocketMQProxy,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import type { ConsumerPort, ConsumerRequest, ReceiveOptions } from '../gateway.ts';
import type { CallOptions, MessageData, SettleResult } from '../message.ts';
import { codeName, MQError, toMQError } from '../mq-error.ts';
import { AckQueue, type QueuedAck } from './ack-queue.ts';
import { Home } from './home.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import type { ProducerParts } from './proxy-producer.ts';
import { SessionId } from './session-id.ts';

const { method } = RocketMQProxy;

/** Receives messages of one topic by proxies. */
export class ProxyConsumer implements ConsumerPort {
  readonly #calls: ProxyCalls;
  readonly #isBatching: boolean;
  readonly #options: ReceiveOptions;
  readonly #session: SessionId;
  readonly #acks = new AckQueue((acks) => this.#ackTogether(acks));
  /** Acks by another proxy would not be known to it when a stream ends. */
  readonly #home: Home;

  private constructor({ calls, isBatching }: ProducerParts, options: ReceiveOptions, session: SessionId) {
    this.#calls = calls;
    this.#isBatching = isBatching;
    this.#options = options;
    this.#session = session;
    this.#home = new Home(calls, session);
  }

  /** @throws MQError. */
  static async create(parts: ProducerParts, request: ConsumerRequest, call: CallOptions): Promise<ProxyConsumer> {
    const { options, ...names } = request;
    const fields = { ...parts.target, ...names, ...optionFields(options) };
    const create = async (by: CallOptions): Promise<string> =>
      (await parts.calls.unary(method.createConsumer, fields, { call: by, repeatable: true })).consumerId;
    return new ProxyConsumer(parts, options, new SessionId(await create(call), () => create({})));
  }

  get id(): string {
    return this.#session.id;
  }

  stream(signal: AbortSignal): AsyncGenerator<MessageData<string | Buffer>> {
    const { binaryBodies = false, messagesMax = 0 } = this.#options;
    return this.#home.stream(
      {
        method: method.receiveMessages,
        request: (consumerId) => ({ consumerId, binaryBodies, messagesMax }),
        read: (message) => received(message, binaryBodies),
      },
      signal,
    );
  }

  async ack(receiptHandle: string, call: CallOptions): Promise<SettleResult> {
    const isAlone = !this.#isBatching || call.timeoutMs !== undefined || call.signal !== undefined;
    if (!isAlone) return this.#acks.add(receiptHandle);
    return this.#ackOne(receiptHandle, call);
  }

  async nack(receiptHandle: string, delayMs: number, call: CallOptions): Promise<SettleResult> {
    const fields = { consumerId: this.id, receiptHandle, delayMs };
    // Made twice it would fail: the first one spends the handle.
    const { success, message } = await this.#calls.unary(method.nackMessage, fields, {
      call,
      preferred: this.#home.channel,
    });
    return { success, message };
  }

  async changeInvisibleDuration(
    receiptHandle: string,
    invisibleDurationMs: number,
    call: CallOptions,
  ): Promise<string> {
    const fields = { consumerId: this.id, receiptHandle, invisibleDurationMs };
    const by = { call, preferred: this.#home.channel };
    return (await this.#calls.unary(method.changeInvisibleDuration, fields, by)).receiptHandle;
  }

  async close(): Promise<void> {
    await this.#calls.unary(method.cleanupConsumer, { consumerId: this.id }, this.#by({}));
  }

  #by(call: CallOptions) {
    return { call, preferred: this.#home.channel, repeatable: true };
  }

  async #ackOne(receiptHandle: string, call: CallOptions): Promise<SettleResult> {
    const fields = { consumerId: this.id, receiptHandle };
    const { success, message } = await this.#calls.unary(method.ackMessage, fields, this.#by(call));
    return { success, message };
  }

  async #ackTogether(acks: readonly QueuedAck[]): Promise<void> {
    const [first] = acks;
    if (acks.length === 1 && first !== undefined) {
      first.resolve(await this.#ackOne(first.receiptHandle, {}));
      return;
    }
    const receiptHandles = acks.map(({ receiptHandle }) => receiptHandle);
    const { outcomes } = await this.#calls.unary(
      method.ackMessages,
      { consumerId: this.id, receiptHandles },
      this.#by({}),
    );
    for (const [index, { resolve, reject }] of acks.entries()) {
      const outcome = outcomes[index];
      if (outcome?.success === true) resolve({ success: true, message: outcome.message });
      else reject(outcome === undefined ? toMQError('the proxy did not answer for it') : failureOf(outcome));
    }
  }
}

function failureOf({ code, reason, message }: { code: number; reason: string; message: string }): MQError {
  return new MQError(codeName(code), reason, message);
}

const consumeModes = { auto: ConsumeMode.AUTO, pop: ConsumeMode.POP, pull: ConsumeMode.PULL } as const;

function optionFields(options: ReceiveOptions): MessageInitShape<typeof CreateConsumerRequestSchema> {
  const { sqlExpression = '', consumeFrom, ordered = false, invisibleDurationMs = 0, consumeMode } = options;
  return {
    sqlExpression,
    ordered,
    invisibleDurationMs,
    consumeMode: consumeMode === undefined ? ConsumeMode.UNSPECIFIED : consumeModes[consumeMode],
    ...consumeFromFields(consumeFrom),
  };
}

function consumeFromFields(consumeFrom: ReceiveOptions['consumeFrom']) {
  if (consumeFrom === 'first') return { consumeFrom: ConsumeFrom.FIRST };
  if (consumeFrom === 'last') return { consumeFrom: ConsumeFrom.LAST };
  if (consumeFrom === undefined) return {};
  return { consumeFrom: ConsumeFrom.TIMESTAMP, consumeTimestamp: BigInt(consumeFrom.getTime()) };
}

function received(message: Message, binaryBodies: boolean): MessageData<string | Buffer> {
  const { messageId, receiptHandle, messageBody, binaryBody, tag, properties, bornTimestamp, reconsumeTimes } = message;
  return {
    messageId,
    receiptHandle,
    body: binaryBodies ? Buffer.from(binaryBody.buffer, binaryBody.byteOffset, binaryBody.length) : messageBody,
    tag,
    properties,
    bornTimestamp: Number(bornTimestamp),
    reconsumeTimes,
  };
}
