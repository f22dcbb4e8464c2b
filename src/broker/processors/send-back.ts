import type { Answer, Command } from '../../remoting/command.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { sendMessageBack } from '../../remoting/requests/send-message-back.ts';
import type { SubscriptionGroupSettings } from '../../remoting/requests/subscription-groups.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { StoredMessage } from '../../remoting/stored-message.ts';
import { deadLetterTopic, retryTopic, SystemTopic, systemTopicPrefix } from '../../remoting/topic-names.ts';
import { withoutDelay } from '../delay-records.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { RequestRefused } from '../refused.ts';
import type { MessageDraft } from '../store/message-store.ts';
import { draftOf, readMessage } from '../stored-draft.ts';
import { newTopic } from '../topics.ts';

export const sendBackProcessors: ProcessorTable = [[RequestCode.CONSUMER_SEND_MSG_BACK, sendBack]];

/** Delay level of the first retry where the consumer leaves it to the broker; each further one is a level higher. */
const firstRetryLevel = 3;
/** Topics whose records are none of a consumer's business. */
const innerTopics: ReadonlySet<string> = new Set([SystemTopic.SCHEDULE, SystemTopic.HALF, SystemTopic.HALF_ENDED]);

/** Java `AbstractSendMessageProcessor.consumerSendMsgBack`. */
async function sendBack(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { group: name, offset, delayLevel, maxReconsumeTimes } = sendMessageBack.decode(request);
  const group = await engine.groups.getOrCreate(name, engine.state);
  // A group without retry queues wants no retries, and Java takes its messages just the same.
  if (group.retryQueueCount <= 0) return sendMessageBack.answer({});
  const message = readSentBack(engine, Number(offset));
  const retry = retryOf(message, engine);
  const isDead = delayLevel < 0 || message.reconsumeTimes >= (maxReconsumeTimes ?? group.retryMaxTimes);
  const level = delayLevel === 0 ? firstRetryLevel + message.reconsumeTimes : delayLevel;
  const draft = isDead ? await toDeadLetters(retry, name, engine) : await toRetries(retry, group, level, engine);
  await engine.put([draft]);
  return sendMessageBack.answer({});
}

/**
 * Where a message goes that a client sends to the retry topic of its group: there, or, after too many tries, to the dead letters (Java
 * `SendMessageProcessor.handleRetryAndDLQ`). Also at once where the group consumes in order: it has tried on its own.
 * @throws RequestRefused SUBSCRIPTION_GROUP_NOT_EXIST; StoreError.
 */
export async function retryOrDeadLetter(
  draft: MessageDraft,
  maxReconsumeTimes: number | undefined,
  engine: Engine,
): Promise<MessageDraft> {
  const name = draft.topic.slice(retryTopic('').length);
  const group = await engine.groups.getOrCreate(name, engine.state);
  const isDead = draft.reconsumeTimes > (maxReconsumeTimes ?? group.retryMaxTimes) || engine.locks.isHeld(name);
  if (isDead) return toDeadLetters(draft, name, engine);
  await ensureRetryTopic(group, engine);
  return draft;
}

/** @throws RequestRefused SYSTEM_ERROR where no message is that consumers could have got. */
function readSentBack({ store }: Engine, commitLogOffset: number): StoredMessage {
  const message = readMessage(store, commitLogOffset);
  if (message !== undefined && !innerTopics.has(message.topic) && !message.topic.startsWith(systemTopicPrefix)) {
    return message;
  }
  throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `there is no message at commit log offset ${commitLogOffset}`);
}

/** The message for its next try; it keeps the topic and the id that it had at first. */
function retryOf(message: StoredMessage, { offsetMessageId }: Engine): MessageDraft {
  const first = new Map([
    [MessageProperty.RETRY_TOPIC, message.topic],
    [MessageProperty.ORIGIN_MESSAGE_ID, offsetMessageId(Number(message.commitLogOffset))],
  ]);
  const properties = new Map([...first, ...message.properties]);
  return draftOf(message, { properties, reconsumeTimes: message.reconsumeTimes + 1 });
}

async function toRetries(
  draft: MessageDraft,
  group: SubscriptionGroupSettings,
  level: number,
  engine: Engine,
): Promise<MessageDraft> {
  await ensureRetryTopic(group, engine);
  const properties = new Map([...draft.properties, [MessageProperty.DELAY, `${level}`]]);
  const queueId = Math.floor(Math.random() * group.retryQueueCount);
  return { ...draft, topic: retryTopic(group.name), queueId, properties };
}

async function toDeadLetters(draft: MessageDraft, group: string, { topics, state }: Engine): Promise<MessageDraft> {
  const topic = deadLetterTopic(group);
  await topics.ensure(newTopic(topic, 1), state);
  return { ...withoutDelay(draft), topic, queueId: 0 };
}

async function ensureRetryTopic(
  { name, retryQueueCount }: SubscriptionGroupSettings,
  { topics, state }: Engine,
): Promise<void> {
  await topics.ensure(newTopic(retryTopic(name), Math.max(retryQueueCount, 1)), state);
}
