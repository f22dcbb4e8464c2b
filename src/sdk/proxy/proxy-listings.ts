import type { MessageInitShape } from '@bufbuild/protobuf';
import { type GetConsumerLagRequestSchema, RocketMQProxy } from '../../gen/rocketmq/rocketmq_pb.ts';
import type { ConsumerFilter, ConsumerLag, LiveConsumer, LiveProducer, ProducerFilter } from '../listings.ts';
import type { CallOptions } from '../message.ts';
import type { ProxyCalls } from './proxy-calls.ts';

const { method } = RocketMQProxy;

/** As many as one proxy lists. */
const listedMax = 1_000;

/** What producers and consumers have that are listed. */
type Used = Pick<LiveProducer, 'topic' | 'createdTimestamp' | 'lastUsedTimestamp'>;

export async function listProducers(
  calls: ProxyCalls,
  { topic = '' }: ProducerFilter,
  call: CallOptions,
): Promise<LiveProducer[]> {
  const replies = await calls.unaryAtAll(method.listProducers, { topic }, call);
  const producers = replies.flatMap((reply) => reply.producers);
  return joined(
    producers.map(({ producerId, topic: of, createdTimestamp, lastUsedTimestamp }) => ({
      producerId,
      topic: of,
      createdTimestamp: Number(createdTimestamp),
      lastUsedTimestamp: Number(lastUsedTimestamp),
    })),
    ({ producerId }) => producerId,
    later,
  );
}

export async function listConsumers(
  calls: ProxyCalls,
  { groupId = '', topic = '' }: ConsumerFilter,
  call: CallOptions,
): Promise<LiveConsumer[]> {
  const replies = await calls.unaryAtAll(method.listConsumers, { groupId, topic }, call);
  const consumers = replies.flatMap((reply) => reply.consumers);
  return joined(
    consumers.map((consumer) => ({
      consumerId: consumer.consumerId,
      topic: consumer.topic,
      groupId: consumer.groupId,
      createdTimestamp: Number(consumer.createdTimestamp),
      lastUsedTimestamp: Number(consumer.lastUsedTimestamp),
      streamCount: consumer.streamCount,
      inFlightCount: consumer.inFlightCount,
    })),
    ({ consumerId }) => consumerId,
    (one, other) => ({
      ...later(one, other),
      streamCount: one.streamCount + other.streamCount,
      inFlightCount: one.inFlightCount + other.inFlightCount,
    }),
  );
}

/** What several proxies hold, the newest first: what has one id is one, also where it has none that may be shown. */
function joined<T extends Used>(all: readonly T[], idOf: (one: T) => string, join: (one: T, other: T) => T): T[] {
  const byId = new Map<string, T>();
  for (const one of all) {
    const key = JSON.stringify([idOf(one), one.topic, one.createdTimestamp]);
    const other = byId.get(key);
    byId.set(key, other === undefined ? one : join(other, one));
  }
  return [...byId.values()].toSorted((a, b) => b.createdTimestamp - a.createdTimestamp).slice(0, listedMax);
}

function later<T extends Used>(one: T, other: T): T {
  return one.lastUsedTimestamp >= other.lastUsedTimestamp ? one : other;
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
