import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { ConsumeFrom } from '../gen/rocketmq/rocketmq_pb.ts';
import type { ConsumerOptions, WebClient, WebClientOptions, WebConsumer, WebProducer } from './api.ts';
import { TopicConsumer } from './consumer.ts';
import { closedError, invalidRequest } from './errors.ts';
import { TopicProducer } from './producer.ts';
import { ProxyCalls } from './proxy-calls.ts';

const timeoutMsDefault = 20_000;
/** Fewer than the proxy's own: a page takes one after the other, and what waits in it nobody else gets. */
const messagesMaxDefault = 100;

/** Makes a client; it connects when it is used. @throws MQError `INVALID_REQUEST` for a `baseUrl` that is none. */
export function createWebClient(options: WebClientOptions): WebClient {
  const { baseUrl, protocol = 'connect', token, timeoutMs = timeoutMsDefault, fetch } = options;
  if (!/^https?:\/\/[^/]/.test(baseUrl))
    throw invalidRequest(`baseUrl is ${baseUrl}: it must begin with https:// or http://`);
  const createTransport = protocol === 'connect' ? createConnectTransport : createGrpcWebTransport;
  const transport = createTransport({ baseUrl, useBinaryFormat: true, ...(fetch === undefined ? {} : { fetch }) });
  return new ProxyWebClient(new ProxyCalls({ transport, baseUrl, token, timeoutMs }), options);
}

class ProxyWebClient implements WebClient {
  readonly #calls: ProxyCalls;
  readonly #target: { readonly endpoint: string; readonly instanceId: string };
  readonly #consumers = new Set<TopicConsumer>();
  #closed: Promise<void> | undefined;

  constructor(calls: ProxyCalls, { endpoint = '', instanceId = '' }: WebClientOptions) {
    this.#calls = calls;
    this.#target = { endpoint, instanceId };
  }

  producer(topic: string): WebProducer {
    this.#checkOpen();
    return new TopicProducer(this.#calls, { ...this.#target, topic });
  }

  consumer(topic: string, groupId: string, options: ConsumerOptions = {}): WebConsumer {
    this.#checkOpen();
    const { tagExpression = '', sqlExpression = '', ordered = false, invisibleDurationMs = 0 } = options;
    const { messagesMax = messagesMaxDefault, onResume } = options;
    const subscription = {
      ...this.#target,
      ...consumeFrom(options),
      topic,
      groupId,
      tagExpression,
      sqlExpression,
      ordered,
      invisibleDurationMs,
    };
    const onClosed = (closed: TopicConsumer): void => void this.#consumers.delete(closed);
    const consumer = new TopicConsumer(this.#calls, subscription, { messagesMax, onResume, onClosed });
    this.#consumers.add(consumer);
    return consumer;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    this.#calls.close();
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw closedError('the client');
  }
}

function consumeFrom({ consumeFrom: from = 'last' }: ConsumerOptions) {
  if (!(from instanceof Date)) {
    const places = { last: ConsumeFrom.UNSPECIFIED, first: ConsumeFrom.FIRST };
    return { consumeFrom: places[from], consumeTimestamp: 0n };
  }
  if (Number.isNaN(from.getTime())) throw invalidRequest('consumeFrom is no time');
  return { consumeFrom: ConsumeFrom.TIMESTAMP, consumeTimestamp: BigInt(from.getTime()) };
}
