import type { CommandContent } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

const definition = defineRequest({
  code: RequestCode.BATCH_ACK_MESSAGE,
  name: 'BATCH_ACK_MESSAGE',
  request: {},
  reply: {},
});

/** How far from the start of its checkpoint an acked offset may lie; one POP reads far fewer entries of a queue. */
const offsetSpanMax = 1_048_576;

/** Acks of messages that one POP took from one queue. */
export interface AckedRange {
  readonly consumerGroup: string;
  /** The normal topic, also for retried messages. */
  readonly topic: string;
  readonly retry: '0' | '1' | '2';
  /** First offset of the checkpoint. */
  readonly startOffset: bigint;
  readonly queueId: number;
  readonly reviveQueueId: number;
  readonly popTimeMs: number;
  readonly invisibleDurationMs: number;
  readonly queueOffsets: readonly bigint[];
}

/**
 * Acks many messages at once (Java `BatchAckMessageRequestBody`, brokers from 5.1.3). Answers SUCCESS, or NO_MESSAGE when empty.
 * @throws RemotingError `malformed` when an offset lies before its checkpoint, or 1,048,576 or more after its start.
 */
export function encodeBatchAck(brokerName: string, ranges: readonly AckedRange[]): CommandContent {
  const acks = ranges.map((range) => ({
    c: range.consumerGroup,
    t: range.topic,
    r: range.retry,
    so: Number(range.startOffset),
    q: range.queueId,
    rq: range.reviveQueueId,
    pt: range.popTimeMs,
    it: range.invisibleDurationMs,
    b: bitSet(range.queueOffsets.map((offset) => bitOf(offset, range.startOffset))),
  }));
  return definition.encode({}, Buffer.from(JSON.stringify({ brokerName, acks })));
}

export const decodeBatchAckReply = definition.decodeReply;

function bitOf(offset: bigint, startOffset: bigint): number {
  const bit = Number(offset - startOffset);
  if (bit >= 0 && bit < offsetSpanMax) return bit;
  throw new RemotingError(
    'malformed',
    `offset ${offset} does not belong to the checkpoint that starts at ${startOffset}`,
  );
}

/** Java's `BitSet.toByteArray` in base64: bit n of byte n / 8, lowest first. */
function bitSet(bits: readonly number[]): string {
  const bytes = Buffer.alloc(bits.length === 0 ? 0 : Math.floor(Math.max(...bits) / 8) + 1);
  for (const bit of bits) {
    const at = Math.floor(bit / 8);
    bytes[at] = (bytes[at] ?? 0) | (1 << (bit % 8));
  }
  return bytes.toString('base64');
}
