import type { Answer, Command } from '../../remoting/command.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { decodeProperties, encodeProperties } from '../../remoting/message-properties.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { pushReplyMessage } from '../../remoting/requests/push-reply-message.ts';
import type { SendMessageFields } from '../../remoting/requests/send-message.ts';
import { sendReplyMessage, sendReplyMessageV1 } from '../../remoting/requests/send-reply-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { SysFlag } from '../../remoting/sys-flag.ts';
import { defaultTopic } from '../../remoting/topic-names.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { invalid, RequestRefused } from '../refused.ts';
import { type StoredPlace, StoreError } from '../store/message-store.ts';

/** How long a requester may take to say that it has a reply: what senders of replies wait for theirs. */
const pushDurationMs = 3_000;

export const replyProcessors: ProcessorTable = [
  [
    RequestCode.SEND_REPLY_MESSAGE,
    (request, connection, engine) => takeReply(sendReplyMessageV1.decode(request), request, connection, engine),
  ],
  [
    RequestCode.SEND_REPLY_MESSAGE_V2,
    (request, connection, engine) => takeReply(sendReplyMessage.decode(request), request, connection, engine),
  ],
];

/** What of a sender's `sysFlag` says how to read the body. */
const compressionFlags = SysFlag.COMPRESSED | SysFlag.COMPRESSION_TYPE_MASK;

interface Reply {
  readonly fields: SendMessageFields;
  readonly body: Buffer;
  readonly properties: ReadonlyMap<string, string>;
}

/**
 * Hands a reply to the client that asked, and stores it too (Java `ReplyMessageProcessor`). The answer says whether the client has it;
 * the stored copy is for those who look later, and its failure is only logged.
 */
async function takeReply(
  fields: SendMessageFields,
  { body }: Command,
  connection: ServerConnection,
  engine: Engine,
): Promise<Answer> {
  const queueId = chooseQueue(fields, engine);
  if (body.length === 0) throw new RequestRefused(ResponseCode.MESSAGE_ILLEGAL, 'the reply has no body');
  const reply = { fields, body, properties: decodeProperties(fields.properties ?? '') };
  const failure = await push(reply, connection, engine);
  const place = await store(reply, queueId, connection, engine);
  return sendReplyMessage.answer(
    {
      messageId: place === undefined ? '0' : engine.offsetMessageId(place.commitLogOffset),
      queueId,
      queueOffset: BigInt(place?.queueOffset ?? 0),
    },
    failure === undefined ? {} : { code: ResponseCode.SYSTEM_ERROR, remark: failure },
  );
}

/** @throws RequestRefused */
function chooseQueue({ topic, queueId }: SendMessageFields, { topics, options }: Engine): number {
  const { writeQueueCount } = topics.require(topic);
  if (topics.isSystem(topic) && topic !== `${options.clusterName}_REPLY_TOPIC`) {
    throw new RequestRefused(ResponseCode.NO_PERMISSION, `no reply may be sent to ${topic}`);
  }
  if (queueId < 0) return Math.floor(Math.random() * writeQueueCount);
  if (queueId < writeQueueCount) return queueId;
  throw invalid(`${topic} has no queue ${queueId}, only 0 to ${writeQueueCount - 1}`);
}

/** Why the client that asked does not have the reply; undefined: it has. */
async function push(reply: Reply, connection: ServerConnection, engine: Engine): Promise<string | undefined> {
  const clientId = reply.properties.get(MessageProperty.REPLY_TO_CLIENT);
  if (clientId === undefined) return `the reply has no property ${MessageProperty.REPLY_TO_CLIENT}: whom is it for?`;
  const shown = clientId.slice(0, 200);
  const requester = engine.clients.findByClientId(clientId);
  if (requester === undefined) return `push reply message fail, channel of <${shown}> not found.`;
  try {
    const content = pushContent(reply, connection, engine.brokerAddress(requester), engine.options.clock.now());
    const { code } = await requester.invoke(content, Deadline.after(pushDurationMs));
    return code === ResponseCode.SUCCESS ? undefined : `push reply message to <${shown}> fail: it answered ${code}.`;
  } catch (error) {
    if (!(error instanceof RemotingError) || error.kind === 'malformed') throw error;
    return `push reply message to <${shown}> fail: ${error.kind}.`;
  }
}

function pushContent(
  { fields, body, properties }: Reply,
  { peer }: ServerConnection,
  storeHost: string,
  nowMs: number,
) {
  return pushReplyMessage.encode(
    {
      ...fields,
      defaultTopic: fields.defaultTopic ?? defaultTopic,
      defaultTopicQueueCount: fields.defaultTopicQueueCount ?? 0,
      properties: encodeProperties([...properties, [MessageProperty.PUSH_REPLY_TIME, String(nowMs)]]),
      bornHost: peer,
      storeHost,
      storeTimestampMs: nowMs,
    },
    body,
  );
}

/** Undefined: it was not stored. */
async function store(
  { fields, body, properties }: Reply,
  queueId: number,
  { peer }: ServerConnection,
  engine: Engine,
): Promise<StoredPlace | undefined> {
  const draft = {
    topic: fields.topic,
    queueId,
    flag: fields.flag,
    sysFlag: fields.sysFlag & compressionFlags,
    bornTimestampMs: fields.bornTimestampMs,
    bornHost: peer,
    reconsumeTimes: fields.reconsumeTimes ?? 0,
    replaces: 0,
    body,
    properties,
  };
  try {
    const [place] = await engine.put([draft]);
    return place;
  } catch (error) {
    if (!(error instanceof StoreError) && !(error instanceof RequestRefused)) throw error;
    engine.options.log?.warn({ err: error, topic: fields.topic }, 'a reply was not stored');
    return undefined;
  }
}
