import { safeInteger } from '../body-fields.ts';
import type { Command } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, readJsonObject } from '../json.ts';
import { encodeJson } from '../json-writer.ts';
import type { MessageQueue } from '../message.ts';
import { readQueueTable } from '../message-queues.ts';
import { RequestCode } from '../request-code.ts';
import { writeMessageQueue } from './get-topic-stats.ts';

/** Asks a broker how far a group is behind (Java `GetConsumeStatsRequestHeader`). */
export const getConsumeStats = defineRequest({
  code: RequestCode.GET_CONSUME_STATS,
  name: 'GET_CONSUME_STATS',
  request: {
    consumerGroup: { kind: 'string' },
    /** Only this one; left out or empty: all that the group has offsets of. */
    topic: { kind: 'string', optional: true },
    /** Only these, separated by `;`. Tools from 5.4. */
    topics: { wire: 'topicList', kind: 'string', optional: true },
  },
  reply: {},
});

/** How far a group has got in one queue (Java `OffsetWrapper`). */
export interface ConsumedQueue {
  readonly queue: MessageQueue;
  /** Offset that the next message gets. */
  readonly brokerOffset: number;
  /** All below are done with. */
  readonly consumerOffset: number;
  /** All below were handed out. */
  readonly pullOffset: number;
  /** Store time of the last message that is done with; 0 where none is, or it is gone. */
  readonly lastTimestampMs: number;
}

/** The body of an answer (Java `ConsumeStats`). */
export function encodeConsumeStats(queues: readonly ConsumedQueue[], gotPerSecond: number): Buffer {
  return encodeJson({
    consumeTps: gotPerSecond,
    offsetTable: new Map(
      queues.map(({ queue, brokerOffset, consumerOffset, pullOffset, lastTimestampMs }) => [
        writeMessageQueue(queue),
        { brokerOffset, consumerOffset, lastTimestamp: lastTimestampMs, pullOffset },
      ]),
    ),
  });
}

/** The queues of a reply. @throws ResponseError; RemotingError `malformed`. */
export function decodeConsumeStats(reply: Command, address: string): readonly ConsumedQueue[] {
  getConsumeStats.decodeReply(reply, address);
  const rows = readQueueTable(readJsonObject(reply.body, 'the progress of a group'), 'offsetTable');
  return rows.map(([queue, value]) => {
    const row = isJsonObject(value) ? value : {};
    return {
      queue,
      brokerOffset: safeInteger(row, 'brokerOffset'),
      consumerOffset: safeInteger(row, 'consumerOffset'),
      pullOffset: safeInteger(row, 'pullOffset'),
      lastTimestampMs: safeInteger(row, 'lastTimestamp'),
    };
  });
}
