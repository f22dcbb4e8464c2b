import { defineRequest } from '../fields.ts';
import { encodeJson, type WritableObject } from '../json-writer.ts';
import type { MessageQueue } from '../message.ts';
import { RequestCode } from '../request-code.ts';

/** Asks a broker how full the queues of a topic are (Java `GetTopicStatsInfoRequestHeader`). TOPIC_NOT_EXIST: there is none. */
export const getTopicStats = defineRequest({
  code: RequestCode.GET_TOPIC_STATS_INFO,
  name: 'GET_TOPIC_STATS_INFO',
  request: { topic: { kind: 'string' } },
  reply: {},
});

/** What one queue holds (Java `TopicOffset`). */
export interface QueueStats {
  readonly queue: MessageQueue;
  readonly minOffset: number;
  readonly maxOffset: number;
  /** Store time of the newest message; 0 where none ever was. */
  readonly lastUpdateTimestampMs: number;
}

/** The body of an answer (Java `TopicStatsTable`). */
export function encodeTopicStats(queues: readonly QueueStats[], putPerSecond: number): Buffer {
  return encodeJson({
    offsetTable: new Map(
      queues.map(({ queue, minOffset, maxOffset, lastUpdateTimestampMs }) => [
        writeMessageQueue(queue),
        { lastUpdateTimestamp: lastUpdateTimestampMs, maxOffset, minOffset },
      ]),
    ),
    topicPutTps: putPerSecond,
  });
}

/** A queue as it stands in bodies, as a key or as a value (Java `MessageQueue`). */
export function writeMessageQueue({ topic, brokerName, queueId }: MessageQueue): WritableObject {
  return { brokerName, queueId, topic };
}
