import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { QueuePermission } from '../../remoting/requests/get-route.ts';
import { PullFlag, pullMessage } from '../../remoting/requests/pull-message.ts';
import type { SubscriptionGroupSettings } from '../../remoting/requests/subscription-groups.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { readStoredProperties } from '../../remoting/stored-message.ts';
import type { GroupQueue } from '../consumer-offsets.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import type { MessageFilter } from '../filters/message-filter.ts';
import { invalid, RequestRefused } from '../refused.ts';
import { commit } from './offsets.ts';

/** Most messages of one answer, whatever was asked for. */
const countMax = 1_024;
/** Most bytes of messages in one answer, but for a first one that is larger by itself. */
const bytesMax = 1_048_576;
/** Most messages that one pull looks at while its filter wants none of them: the client goes on from there. */
const scanMax = 16_384;
/** Longest that a pull is held: Java clients wait 30 s for the answer. */
const suspendMsMax = 30_000;

export const pullProcessors: ProcessorTable = [
  [RequestCode.PULL_MESSAGE, pull],
  [RequestCode.LITE_PULL_MESSAGE, pull],
];

interface Pull {
  readonly queue: GroupQueue;
  readonly offset: number;
  readonly countMax: number;
  readonly bytesMax: number;
  readonly filter: MessageFilter;
  readonly suspendMs: number;
}

/** At once where it can be: that a client takes no answers is then noticed before the next one is made for it. */
function pull(request: Command, connection: ServerConnection, engine: Engine): Answer | Promise<Answer> {
  const fields = pullMessage.decode(request);
  const answerTo = (group: SubscriptionGroupSettings): Answer | Promise<Answer> =>
    pullNow(readPull(fields, group, engine), connection, engine);
  const group = engine.groups.get(fields.consumerGroup);
  if (group !== undefined) return answerTo(group);
  return engine.groups.getOrCreate(fields.consumerGroup, engine.state).then((made) => {
    if (connection.isBackedUp) throw new RequestRefused(ResponseCode.SYSTEM_BUSY, 'take the answers that wait first');
    const answer = answerTo(made);
    if (!(answer instanceof Promise)) connection.reserve(answer.body?.length ?? 0, Promise.resolve());
    return answer;
  });
}

function pullNow(asked: Pull, connection: ServerConnection, engine: Engine): Answer | Promise<Answer> {
  const found = look(asked, engine);
  if (found.code !== ResponseCode.PULL_NOT_FOUND || asked.suspendMs === 0) return found;
  return hold(asked, found, connection, engine);
}

type PullFields = ReturnType<typeof pullMessage.decode>;

/** @throws RequestRefused */
function readPull(fields: PullFields, { name: group, consumeEnable }: SubscriptionGroupSettings, engine: Engine): Pull {
  const { topic: name, queueId, sysFlag } = fields;
  const topic = engine.topics.require(name);
  if (!consumeEnable || (topic.permission & QueuePermission.READ) === 0) {
    throw new RequestRefused(ResponseCode.NO_PERMISSION, `${group} may not read ${name}`);
  }
  if (queueId < 0 || queueId >= topic.readQueueCount) throw invalid(`${name} has no queue ${queueId}`);
  const queue = { group, topic: name, queueId };
  const commitOffset = Number(fields.commitOffset ?? 0n);
  if ((sysFlag & PullFlag.COMMIT_OFFSET) !== 0 && commitOffset > 0) {
    // A pull is not refused for what it commits, nor does it wait for that.
    commit(queue, commitOffset, engine).catch(() => {});
  }
  return {
    queue,
    offset: Number(fields.queueOffset),
    countMax: Math.min(Math.max(fields.messageCountMax, 1), countMax),
    bytesMax: Math.min(Math.max(fields.messageBytesMax ?? bytesMax, 1), bytesMax),
    filter: filterOf(fields, engine),
    suspendMs:
      (sysFlag & PullFlag.SUSPEND) === 0 ? 0 : Math.min(Math.max(fields.suspendDurationMs ?? 0, 0), suspendMsMax),
  };
}

/** Of the request, or of the group's heartbeats. @throws RequestRefused */
function filterOf(fields: PullFields, engine: Engine): MessageFilter {
  const { consumerGroup, topic, sysFlag, subscription, subscriptionVersion = 0n, expressionType } = fields;
  if ((sysFlag & PullFlag.SUBSCRIPTION) !== 0) return engine.filters.get(expressionType, subscription);
  const known = engine.clients.subscription(consumerGroup, topic);
  if (known === undefined) {
    throw new RequestRefused(
      ResponseCode.SUBSCRIPTION_NOT_EXIST,
      `${consumerGroup} has not subscribed to ${topic}: heartbeat first`,
    );
  }
  if (known.version < Number(subscriptionVersion)) {
    throw new RequestRefused(
      ResponseCode.SUBSCRIPTION_NOT_LATEST,
      `the subscription of ${consumerGroup} is newer: heartbeat first`,
    );
  }
  return engine.filters.get(known.expressionType, known.expression);
}

function look(asked: Pull, engine: Engine): Answer {
  const reset = engine.offsets.pendingReset(asked.queue);
  if (reset !== undefined) {
    engine.offsets.endReset(asked.queue);
    if (reset !== asked.offset) return answer(asked, ResponseCode.PULL_OFFSET_MOVED, reset, engine);
  }
  const { topic, queueId } = asked.queue;
  const { store } = engine;
  const max = store.maxOffset(topic, queueId);
  const min = store.minOffset(topic, queueId);
  const { offset } = asked;
  if (offset < min) return answer(asked, ResponseCode.PULL_OFFSET_MOVED, min, engine);
  if (offset > max) return answer(asked, ResponseCode.PULL_OFFSET_MOVED, max, engine);
  const { records, next } = read(asked, max, engine);
  engine.statistics.got(asked.queue.group, topic, records.length);
  if (records.length > 0) {
    return answer(asked, ResponseCode.SUCCESS, next, engine, Buffer.concat(records));
  }
  return answer(asked, next > offset ? ResponseCode.PULL_RETRY_IMMEDIATELY : ResponseCode.PULL_NOT_FOUND, next, engine);
}

/** The messages from the offset on that the filter wants, and the offset behind the last one that was looked at. */
function read(asked: Pull, max: number, { store }: Engine): { readonly records: Buffer[]; readonly next: number } {
  const { topic, queueId } = asked.queue;
  const records: Buffer[] = [];
  let bytes = 0;
  let next = asked.offset;
  const end = Math.min(max, asked.offset + scanMax);
  for (; next < end && records.length < asked.countMax; next += 1) {
    const entry = store.entry(topic, queueId, next);
    if (entry === undefined || !asked.filter.matchesTagsCode(entry.tagsCode)) continue;
    if (records.length > 0 && bytes + entry.size > asked.bytesMax) break;
    const record = store.read(entry.commitLogOffset);
    if (record === undefined) continue;
    if (asked.filter.needsProperties && !asked.filter.matches(readStoredProperties(record))) continue;
    records.push(record);
    bytes += record.length;
  }
  return { records, next };
}

/** Waits for a message of the queue. One that takes no answers is not read for. */
function hold(asked: Pull, nothing: Answer, connection: ServerConnection, engine: Engine): Promise<Answer> {
  return new Promise((resolve) => {
    const request = {
      client: connection,
      tryAgain: (): boolean => {
        if (!connection.isOpen) return true;
        if (connection.isBackedUp || !hasNews(asked, engine)) return false;
        const found = look(asked, engine);
        if (found.code === ResponseCode.PULL_NOT_FOUND) return false;
        resolve(found);
        return true;
      },
      giveUp: () => resolve(nothing),
    };
    if (!engine.held.hold(request, [asked.queue.topic], asked.suspendMs)) resolve(nothing);
  });
}

function hasNews({ queue, offset }: Pull, { store, offsets }: Engine): boolean {
  return store.maxOffset(queue.topic, queue.queueId) !== offset || offsets.pendingReset(queue) !== undefined;
}

function answer(asked: Pull, code: number, next: number, { store }: Engine, body?: Buffer): Answer {
  const { topic, queueId } = asked.queue;
  return pullMessage.answer(
    {
      suggestedBrokerId: 0n,
      nextBeginOffset: BigInt(next),
      minOffset: BigInt(store.minOffset(topic, queueId)),
      maxOffset: BigInt(store.maxOffset(topic, queueId)),
    },
    body === undefined ? { code } : { code, body },
  );
}
