import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  GetConsumerLagRequest,
  GetConsumerLagResponseSchema,
  ListConsumersRequest,
  ListConsumersResponseSchema,
  ListProducersRequest,
  ListProducersResponseSchema,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import type { Caller } from '../access/caller.ts';
import type { Engines } from '../engines.ts';
import { type Call, createTimeoutMs, deadlineOf } from '../rpc/call.ts';
import { groupName, nameInNamespace, topicName } from './names.ts';
import type { Known } from './registry.ts';
import type { Owned } from './session-specs.ts';
import type { Sessions } from './sessions.ts';
import type { Targets } from './targets.ts';

/** Most characters of the ids of one reply: gRPC clients take 4 MiB, and ids may be long. */
export const listedIdCharsMax = 3_145_728;

/** Handlers that tell what there is. */
export interface ListingHandlers {
  listProducers(
    request: ListProducersRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof ListProducersResponseSchema>>;
  listConsumers(
    request: ListConsumersRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof ListConsumersResponseSchema>>;
  getConsumerLag(
    request: GetConsumerLagRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof GetConsumerLagResponseSchema>>;
}

export function createListingHandlers(targets: Targets, engines: Engines, sessions: Sessions): ListingHandlers {
  return {
    async listProducers({ topic }, { caller }) {
      const { known: newest, matchCount } = sessions.listProducers(orAny(topic), caller);
      const producers = shown(newest, (known) => ({
        producerId: shownId(known, caller, targets),
        ...shownOf(known),
      }));
      return { success: true, message: `${producers.length} of ${matchCount} producers`, producers };
    },

    async listConsumers({ groupId, topic }, { caller }) {
      const { known: newest, matchCount } = sessions.listConsumers(orAny(groupId), orAny(topic), caller);
      const consumers = shown(newest, (known) => ({
        consumerId: shownId(known, caller, targets),
        ...shownOf(known),
        groupId: nameInNamespace(known.spec.group),
        streamCount: known.session.streamCount,
        inFlightCount: known.session.inFlightCount,
      }));
      return { success: true, message: `${consumers.length} of ${matchCount} consumers`, consumers };
    },

    async getConsumerLag(request, call) {
      const target = targets.resolve(request, call.caller);
      const topic = topicName(request.topic, target.namespace);
      const group = groupName(request.groupId, target.namespace);
      call.caller.checkSubscribe(topic, group);
      const { admin } = engines.get(target);
      const deadline = deadlineOf(call, createTimeoutMs);
      const { queues, members } = await targets.reach(target, () => admin.consumerLag({ group, topic }, deadline));
      const lag = queues.reduce((sum, { lagCount }) => sum + lagCount, 0n);
      return {
        success: true,
        message: `group ${request.groupId} is ${lag} messages behind in topic ${request.topic}`,
        lag,
        queues: queues.map(({ queue, maxOffset, committedOffset = -1n, lagCount, isRetry }) => ({
          brokerName: queue.brokerName,
          queueId: queue.queueId,
          maxOffset,
          committedOffset,
          lag: lagCount,
          retry: isRetry,
        })),
        members: members.map(({ clientId, language }) => ({ clientId, language })),
      };
    },
  };
}

function orAny(name: string): string | undefined {
  return name === '' ? undefined : name;
}

/** As many as a reply may have. */
function shown<K extends Known<unknown, unknown>, T>(newest: readonly K[], show: (known: K) => T): T[] {
  const entries: T[] = [];
  let charCount = 0;
  for (const known of newest) {
    charCount += known.id.length;
    if (charCount > listedIdCharsMax) break;
    entries.push(show(known));
  }
  return entries;
}

/**
 * The id, where it gives its reader no more than they have. Without tokens everybody is the same caller, and an id stands for access keys
 * that its maker may have brought along.
 */
function shownId({ id, spec }: Known<Owned, unknown>, { name }: Caller, targets: Targets): string {
  return name !== '' || targets.hasDefaultKeys(spec) ? id : '';
}

function shownOf({ spec, usedAtMs }: Known<Owned & { readonly topic: string; readonly createdAtMs: number }, unknown>) {
  return {
    topic: nameInNamespace(spec.topic),
    createdTimestamp: BigInt(spec.createdAtMs),
    // The clock that ids are dated by may be ahead.
    lastUsedTimestamp: BigInt(Math.max(spec.createdAtMs, usedAtMs)),
  };
}
