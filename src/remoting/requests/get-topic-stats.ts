import { safeInteger } from '../body-fields.ts';
import type { Command } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, readJsonObject } from '../json.ts';
import { encodeJson, type WritableObject } from '../json-writer.ts';
import type { MessageQueue } from '../message.ts';
import { readQueueTable } from '../message-queues.ts';
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

/** The queues of a reply. @throws ResponseError; RemotingError `malformed`. */
export function decodeTopicStats(reply: Command, address: string): readonly QueueStats[] {
  getTopicStats.decodeReply(reply, address);
  const rows = readQueueTable(readJsonObject(reply.body, 'the state of a topic'), 'offsetTable');
  return rows.map(([queue, value]) => {
    const row = isJsonObject(value) ? value : {};
    return {
      queue,
      minOffset: safeInteger(row, 'minOffset'),
      maxOffset: safeInteger(row, 'maxOffset'),
      lastUpdateTimestampMs: safeInteger(row, 'lastUpdateTimestamp'),
    };
  });
}

/** A queue as it stands in bodies, as a key or as a value (Java `MessageQueue`). */
export function writeMessageQueue({ topic, brokerName, queueId }: MessageQueue): WritableObject {
  return { brokerName, queueId, topic };
}
