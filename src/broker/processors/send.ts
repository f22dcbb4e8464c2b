import type { Answer, Command } from '../../remoting/command.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { decodeBatch } from '../../remoting/message-batch.ts';
import { decodeProperties } from '../../remoting/message-properties.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { QueuePermission } from '../../remoting/requests/get-route.ts';
import {
  type SendMessageFields,
  sendBatchMessage,
  sendMessage,
  sendMessageV1,
} from '../../remoting/requests/send-message.ts';
import type { TopicSettings } from '../../remoting/requests/topic-config.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { SysFlag } from '../../remoting/sys-flag.ts';
import { isRetryTopic, SystemTopic, systemTopicPrefix, validateTopic } from '../../remoting/topic-names.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { recallHandleOf } from '../recall-handle.ts';
import { invalid, RequestRefused } from '../refused.ts';
import type { MessageDraft, StoredPlace } from '../store/message-store.ts';
import { retryOrDeadLetter } from './send-back.ts';

/** Queues of a topic that is made by a message which does not say how many it wants. */
const queueCountDefault = 4;
/** What a producer's `sysFlag` says that is not its to say: which form the stored addresses have, and that a body is a batch. */
const ownFlags = SysFlag.BORN_HOST_V6 | SysFlag.STORE_HOST_V6 | SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH;
/** Properties that live no longer than the request (Java `MessageConst.PROPERTY_TRANSIENT_PREFIX`). */
const transientPrefix = '__RMQ.TRANSIENT.';
/** Topics that only the engine itself writes to (Java `TopicValidator.NOT_ALLOWED_SEND_TOPIC_SET`, and all that begin like its inner ones). */
const innerTopics: ReadonlySet<string> = new Set([
  SystemTopic.SCHEDULE,
  SystemTopic.HALF,
  SystemTopic.HALF_ENDED,
  SystemTopic.HALF_GIVEN_UP,
  SystemTopic.SELF_TEST,
  SystemTopic.OFFSET_MOVED,
]);
/** RocketMQ's own default: clients put it into traces. */
const region = 'DefaultRegion';

export const sendProcessors: ProcessorTable = [
  [
    RequestCode.SEND_MESSAGE,
    (request, connection, engine) => send(sendMessageV1.decode(request), request, connection, engine),
  ],
  [
    RequestCode.SEND_MESSAGE_V2,
    (request, connection, engine) => send(sendMessage.decode(request), request, connection, engine),
  ],
  [
    RequestCode.SEND_BATCH_MESSAGE,
    (request, connection, engine) =>
      send({ ...sendBatchMessage.decode(request), batch: true }, request, connection, engine),
  ],
];

async function send(
  fields: SendMessageFields,
  { body }: Command,
  { peer }: ServerConnection,
  engine: Engine,
): Promise<Answer> {
  if (isInner(fields.topic)) throw notWritable(fields.topic);
  const topic = engine.topics.getStored(fields.topic) ?? (await createTopic(fields, engine));
  const queueId = chooseQueue(fields, topic);
  if (body.length === 0) throw illegal('the body is empty');
  const place = { topic: topic.name, queueId, peer };
  if (fields.batch === true) {
    const drafts = batchDrafts(body, fields, { place, engine });
    return answer(drafts, await engine.put(drafts), topic.name, engine);
  }
  const properties = ownedProperties(decodeProperties(fields.properties ?? ''), engine);
  const draft = draftOf(fields, place, { flag: fields.flag, body, properties });
  const stored = await toStore(draft, fields, engine);
  return answer([stored], await engine.store.append([stored]), topic.name, engine);
}

/** What takes the message's place until its transaction ends, or its time comes; the message itself where there is neither. */
async function toStore(draft: MessageDraft, fields: SendMessageFields, engine: Engine): Promise<MessageDraft> {
  if (isHalf(draft)) {
    // A delay that cannot be is refused now: at the commit it would be too late.
    engine.delayed.route(draft);
    return engine.halves.toHalf(draft);
  }
  if (!isRetryTopic(draft.topic)) return engine.delayed.route(draft);
  return engine.delayed.route(await retryOrDeadLetter(draft, fields.maxReconsumeTimes, engine));
}

async function createTopic(
  { topic, defaultTopicQueueCount }: SendMessageFields,
  engine: Engine,
): Promise<TopicSettings> {
  const why = validateTopic(topic);
  if (why !== undefined) throw invalid(why);
  return engine.topics.getOrCreate(topic, defaultTopicQueueCount ?? queueCountDefault, engine.state);
}

function isInner(topic: string): boolean {
  return innerTopics.has(topic) || topic.startsWith(systemTopicPrefix);
}

/** @throws RequestRefused */
function chooseQueue({ queueId }: SendMessageFields, topic: TopicSettings): number {
  const { name, writeQueueCount, readQueueCount, permission } = topic;
  if ((permission & QueuePermission.WRITE) === 0) throw notWritable(name);
  if (queueId < 0) return Math.floor(Math.random() * writeQueueCount);
  if (queueId < Math.max(writeQueueCount, readQueueCount)) return queueId;
  throw invalid(`${name} has no queue ${queueId}, only 0 to ${writeQueueCount - 1}`);
}

interface Place {
  readonly topic: string;
  readonly queueId: number;
  readonly peer: string;
}

type Content = Pick<MessageDraft, 'flag' | 'body' | 'properties'>;

function draftOf(fields: SendMessageFields, { topic, queueId, peer }: Place, content: Content): MessageDraft {
  return {
    topic,
    queueId,
    flag: content.flag,
    sysFlag: fields.sysFlag & ~ownFlags,
    bornTimestampMs: fields.bornTimestampMs,
    bornHost: peer,
    reconsumeTimes: fields.reconsumeTimes ?? 0,
    replaces: 0,
    body: content.body,
    properties: content.properties,
  };
}

/** What a producer may say, with what brokers add. */
function ownedProperties(properties: Map<string, string>, engine: Engine): Map<string, string> {
  properties.delete(MessageProperty.POP_CK);
  for (const name of properties.keys()) {
    if (name.startsWith(transientPrefix)) properties.delete(name);
  }
  if (!properties.has(MessageProperty.UNIQ_KEY)) properties.set(MessageProperty.UNIQ_KEY, engine.newMessageId());
  // Official clients make replies and traces from these.
  properties.set(MessageProperty.CLUSTER, engine.options.clusterName);
  properties.set(MessageProperty.MSG_REGION, region);
  properties.set(MessageProperty.TRACE_ON, 'true');
  return properties;
}

interface Batch {
  readonly place: Place;
  readonly engine: Engine;
}

function batchDrafts(body: Buffer, fields: SendMessageFields, { place, engine }: Batch): MessageDraft[] {
  // What the header says of properties is the batch's, as with brokers 5.5: its id would become the id of each message.
  return readBatch(body).map((record) =>
    draftOf(fields, place, { ...record, properties: ownedProperties(new Map(record.properties), engine) }),
  );
}

function readBatch(body: Buffer): ReturnType<typeof decodeBatch> {
  try {
    return decodeBatch(body);
  } catch (error) {
    if (error instanceof RemotingError) throw illegal(error.message);
    throw error;
  }
}

/** Java `SendMessageProcessor`: a message that comes back from a consumer is none, whatever its properties still say. */
function isHalf({ properties, reconsumeTimes }: MessageDraft): boolean {
  const isRetried = reconsumeTimes > 0 && Number(properties.get(MessageProperty.DELAY) ?? 0) > 0;
  return properties.get(MessageProperty.TRAN_MSG)?.toLowerCase() === 'true' && !isRetried;
}

function answer(
  drafts: readonly MessageDraft[],
  places: readonly StoredPlace[],
  topic: string,
  engine: Engine,
): Answer {
  const [draft] = drafts;
  const [first] = places;
  engine.statistics.put(topic, places.length);
  const isOne = draft !== undefined && drafts.length === 1;
  return sendMessage.answer({
    messageId: places.map(({ commitLogOffset }) => engine.offsetMessageId(commitLogOffset)).join(','),
    queueId: draft === undefined ? 0 : realQueueIdOf(draft),
    queueOffset: BigInt(first?.queueOffset ?? 0),
    transactionId: isOne ? draft.properties.get(MessageProperty.UNIQ_KEY) : undefined,
    recallHandle: isOne ? recallHandleOf(draft, engine.options.brokerName) : undefined,
    region,
    traceOn: true,
  });
}

/** The queue that the message is for, also while it waits elsewhere. What a producer says there of one that does not wait is only kept. */
function realQueueIdOf({ topic, queueId, properties }: MessageDraft): number {
  return isInner(topic) ? Number(properties.get(MessageProperty.REAL_QUEUE_ID)) : queueId;
}

function notWritable(topic: string): RequestRefused {
  return new RequestRefused(ResponseCode.NO_PERMISSION, `nothing may be sent to ${topic.slice(0, 200)}`);
}

function illegal(why: string): RequestRefused {
  return new RequestRefused(ResponseCode.MESSAGE_ILLEGAL, `the message cannot be stored: ${why}`);
}
