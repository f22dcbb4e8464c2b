import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { RocketMQProxy } from '../../gen/rocketmq/rocketmq_pb.ts';
import type {
  CleanupConsumerRequest,
  CleanupProducerRequest,
  CleanupResult,
  ConsumerPort,
  ConsumerRequest,
  Gateway,
  HealthStatus,
  LagRequest,
  ProducerPort,
  ProducerRequest,
} from '../gateway.ts';
import type { ConsumerFilter, ConsumerLag, LiveConsumer, LiveProducer, ProducerFilter } from '../listings.ts';
import type { CallOptions } from '../message.ts';
import type { CheckedConfig, TlsOptions } from '../mq-config.ts';
import { ProxyCalls } from './proxy-calls.ts';
import { ProxyChannel } from './proxy-channel.ts';
import { ProxyChannels } from './proxy-channels.ts';
import { ProxyConsumer } from './proxy-consumer.ts';
import { getConsumerLag, listConsumers, listProducers } from './proxy-listings.ts';
import { type ProducerParts, ProxyProducer } from './proxy-producer.ts';

const { method } = RocketMQProxy;

/** Longest message of the proxy: it takes and gives 5 MiB at most. */
const messageBytesMax = 5_242_880;

/** The way by proxies. */
export class ProxyGateway implements Gateway {
  readonly #parts: ProducerParts;

  /** Connects with the first call. */
  constructor(config: CheckedConfig) {
    const by = channelCredentials(config.tls);
    const options = { ...channelOptions(config.tls), ...config.channelOptions };
    const channels = config.proxies.map((address) => new ProxyChannel(address, by, options));
    const { endpoint, accessKeyId, accessKeySecret } = config;
    this.#parts = {
      calls: new ProxyCalls(new ProxyChannels(channels), config.timeoutMs, config.token),
      target: { endpoint, accessKeyId, accessKeySecret },
      isBatching: config.batching,
    };
  }

  createProducer(request: ProducerRequest, call: CallOptions): Promise<ProducerPort> {
    return ProxyProducer.create(this.#parts, request, call);
  }

  createConsumer(request: ConsumerRequest, call: CallOptions): Promise<ConsumerPort> {
    return ProxyConsumer.create(this.#parts, request, call);
  }

  async cleanupProducer(request: CleanupProducerRequest, call: CallOptions): Promise<CleanupResult> {
    const { producerId = '', topic = '', endpoint = '' } = request;
    const fields = { producerId, topic, endpoint };
    const { cleanedCount, message } = await this.#parts.calls.unary(method.cleanupProducer, fields, { call });
    return { cleanedCount, message };
  }

  async cleanupConsumer(request: CleanupConsumerRequest, call: CallOptions): Promise<CleanupResult> {
    const { consumerId = '', groupId = '', topic = '' } = request;
    const fields = { consumerId, groupId, topic };
    const { cleanedCount, message } = await this.#parts.calls.unary(method.cleanupConsumer, fields, { call });
    return { cleanedCount, message };
  }

  listProducers(filter: ProducerFilter, call: CallOptions): Promise<LiveProducer[]> {
    return listProducers(this.#parts.calls, filter, call);
  }

  listConsumers(filter: ConsumerFilter, call: CallOptions): Promise<LiveConsumer[]> {
    return listConsumers(this.#parts.calls, filter, call);
  }

  getConsumerLag(request: LagRequest, call: CallOptions): Promise<ConsumerLag> {
    return getConsumerLag(this.#parts.calls, { ...this.#parts.target, ...request }, call);
  }

  async healthCheck(call: CallOptions): Promise<HealthStatus> {
    const { healthy, message } = await this.#parts.calls.unary(method.healthCheck, {}, { call, repeatable: true });
    return { healthy, message };
  }

  async close(): Promise<void> {
    this.#parts.calls.channels.close();
  }
}

function channelCredentials(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(bytesOf(tls.ca), bytesOf(tls.key), bytesOf(tls.cert));
}

function bytesOf(pem: string | Buffer | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}

/** A connection that is gone without a word is noticed within 40 s; one that failed is tried again after 0.1 to 3 s. */
function channelOptions(tls: TlsOptions | undefined): ChannelOptions {
  return {
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 3_000,
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    // Connections of one client end with it.
    'grpc.use_local_subchannel_pool': 1,
    ...(tls?.servername === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': tls.servername, 'grpc.default_authority': tls.servername }),
  };
}
