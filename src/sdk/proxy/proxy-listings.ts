import type { MessageInitShape } from '@bufbuild/protobuf';
import { type GetConsumerLagRequestSchema, RocketMQProxy } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { ConsumerFilter, ConsumerLag, LiveConsumer, LiveProducer, ProducerFilter } from '../listings.ts';
import type { CallOptions } from '../message.ts';
import type { ProxyCalls } from './proxy-calls.ts';

const { method } = RocketMQProxy;

export async function listProducers(
  calls: ProxyCalls,
  { topic = '' }: ProducerFilter,
  call: CallOptions,
): Promise<LiveProducer[]> {
  const { producers } = await calls.unary(method.listProducers, { topic }, { call, repeatable: true });
  return producers.map(({ producerId, topic: of, createdTimestamp, lastUsedTimestamp }) => ({
    producerId,
    topic: of,
    createdTimestamp: Number(createdTimestamp),
    lastUsedTimestamp: Number(lastUsedTimestamp),
  }));
}

export async function listConsumers(
  calls: ProxyCalls,
  { groupId = '', topic = '' }: ConsumerFilter,
  call: CallOptions,
): Promise<LiveConsumer[]> {
  const { consumers } = await calls.unary(method.listConsumers, { groupId, topic }, { call, repeatable: true });
  return consumers.map((consumer) => ({
    consumerId: consumer.consumerId,
    topic: consumer.topic,
    groupId: consumer.groupId,
    createdTimestamp: Number(consumer.createdTimestamp),
    lastUsedTimestamp: Number(consumer.lastUsedTimestamp),
    streamCount: consumer.streamCount,
    inFlightCount: consumer.inFlightCount,
  }));
}

export async function getConsumerLag(
  calls: ProxyCalls,
  fields: MessageInitShape<typeof GetConsumerLagRequestSchema>,
  call: CallOptions,
): Promise<ConsumerLag> {
  const { lag, queues, members } = await calls.unary(method.getConsumerLag, fields, { call, repeatable: true });
  return {
    lag: Number(lag),
    queues: queues.map(({ brokerName, queueId, maxOffset, committedOffset, lag: ofQueue, retry }) => ({
      brokerName,
      queueId,
      maxOffset: Number(maxOffset),
      committedOffset: committedOffset < 0n ? undefined : Number(committedOffset),
      lag: Number(ofQueue),
      retry,
    })),
    members: members.map(({ clientId, language }) => ({ clientId, language })),
  };
}
