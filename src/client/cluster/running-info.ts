import type { Answer } from '../../remoting/command.ts';
import { encodeJson, type WritableJson, type WritableMap, type WritableObject } from '../../remoting/json-writer.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { writeMessageQueue } from '../../remoting/requests/get-topic-stats.ts';
import type { ClientConsumer } from '../../remoting/requests/heartbeat.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { PullGroup, QueueProgress } from '../pull/pull-groups.ts';

const bytesOfMiB = 1_048_576;

/** What operators' tools show of a consumer group here (Java `ConsumerRunningInfo`). Undefined: the group has no consumer here. */
export function runningInfoAnswer(consumer: ClientConsumer | undefined, member: PullGroup | undefined): Answer {
  return answerWith({
    properties: {
      PROP_CONSUME_TYPE: consumer?.consumeType ?? 'CONSUME_POP',
      PROP_CONSUMEORDERLY: String(member?.orderly ?? false),
      PROP_CONSUMER_START_TIMESTAMP: String(member?.startTimestampMs ?? 0),
      PROP_CLIENT_VERSION: 'V5_3_1',
    },
    subscriptionSet: (consumer?.subscriptions ?? []).map(({ topic, expression, expressionType = 'TAG', version }) => ({
      topic,
      subString: expression,
      subVersion: version,
      expressionType,
    })),
    mqTable: queueTable(member, (progress) => processQueueInfo(progress, member?.orderly ?? false)),
    mqPopTable: {},
    statusTable: {},
    userConsumerInfo: {},
  });
}

/** How far a group has got here in the queues of a topic (Java `GetConsumerStatusBody`). */
export function consumerStatusAnswer(topic: string, member: PullGroup | undefined): Answer {
  const isOfTopic = (queue: MessageQueue): boolean => queue.topic === topic;
  const messageQueueTable = queueTable(member, ({ commitOffset }) => Number(commitOffset), isOfTopic);
  return answerWith({ messageQueueTable, consumerTable: {} });
}

function queueTable(
  member: PullGroup | undefined,
  write: (progress: QueueProgress) => WritableJson,
  isWanted: (queue: MessageQueue) => boolean = () => true,
): WritableMap {
  const table = new Map<WritableObject, WritableJson>();
  for (const [queue, progress] of member?.progress ?? []) {
    if (progress !== undefined && isWanted(queue)) table.set(writeMessageQueue(queue), write(progress));
  }
  return table;
}

/** As Java `ProcessQueueInfo`. */
function processQueueInfo(progress: QueueProgress, locked: boolean): WritableObject {
  return {
    commitOffset: Number(progress.commitOffset),
    cachedMsgMinOffset: Number(progress.cachedMinOffset),
    cachedMsgMaxOffset: Number(progress.cachedMaxOffset),
    cachedMsgCount: progress.cachedCount,
    cachedMsgSizeInMiB: Math.floor(progress.cachedBytes / bytesOfMiB),
    locked,
    droped: false,
    lastPullTimestamp: progress.lastPullTimestampMs,
    lastConsumeTimestamp: progress.lastConsumeTimestampMs,
  };
}

function answerWith(body: WritableObject): Answer {
  return { code: ResponseCode.SUCCESS, body: encodeJson(body) };
}
