import type { Command, CommandContent } from '../command.ts';
import { RemotingError } from '../errors.ts';
import { defineRequest } from '../fields.ts';
import { isJsonObject, type Json, type JsonObject, readJsonObject } from '../json.ts';
import { RequestCode } from '../request-code.ts';

const definition = defineRequest({
  code: RequestCode.BATCH_ACK_MESSAGE,
  name: 'BATCH_ACK_MESSAGE',
  request: {},
  reply: {},
});

/** How far from the start of its checkpoint an acked offset may lie; one POP reads far fewer entries of a queue. */
export const batchAckSpanMax = 1_048_576;
/** Most offsets that a server takes at once: clients join what they popped, 32 messages at a time. */
export const batchAckOffsetsMax = 65_536;

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

/** The answer of a server. */
export const answerBatchAck = definition.answer;

/**
 * What a client acks; nothing where the request has no body, as Java reads it.
 * @throws RemotingError `malformed` on anything that is not as clients write it, and on more than 65,536 offsets.
 */
export function decodeBatchAck({ body }: Pick<Command, 'body'>): AckedRange[] {
  if (body.length === 0) return [];
  const { acks = null } = readJsonObject(body, 'the body of BATCH_ACK_MESSAGE');
  if (acks === null) return [];
  if (!Array.isArray(acks)) throw new RemotingError('malformed', 'the acks of BATCH_ACK_MESSAGE are no list');
  let left = batchAckOffsetsMax;
  return acks.map((ack: Json) => {
    const range = readRange(ack, left);
    left -= range.queueOffsets.length;
    return range;
  });
}

function readRange(ack: Json, offsetsMax: number): AckedRange {
  if (!isJsonObject(ack)) throw new RemotingError('malformed', 'an ack of BATCH_ACK_MESSAGE is no object');
  const startOffset = readInteger(ack, 'so');
  const retry = ack['r'] ?? '0';
  if (retry !== '0' && retry !== '1' && retry !== '2') throw wrongField('r');
  return {
    consumerGroup: readText(ack, 'c'),
    topic: readText(ack, 't'),
    retry,
    startOffset: BigInt(startOffset),
    queueId: readInteger(ack, 'q'),
    reviveQueueId: readInteger(ack, 'rq'),
    popTimeMs: readInteger(ack, 'pt'),
    invisibleDurationMs: readInteger(ack, 'it'),
    queueOffsets: readBits(readText(ack, 'b'), offsetsMax).map((bit) => BigInt(startOffset + bit)),
  };
}

function readInteger(ack: JsonObject, name: string): number {
  const value = ack[name];
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw wrongField(name);
}

function readText(ack: JsonObject, name: string): string {
  const value = ack[name];
  if (typeof value === 'string') return value;
  throw wrongField(name);
}

function wrongField(name: string): RemotingError {
  return new RemotingError('malformed', `field ${name} of an ack of BATCH_ACK_MESSAGE is not of its kind`);
}

/** The reverse of `bitSet`. */
function readBits(base64: string, bitsMax: number): number[] {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length > batchAckSpanMax / 8) {
    throw new RemotingError('malformed', `an ack names an offset ${batchAckSpanMax} or more behind its checkpoint`);
  }
  const bits: number[] = [];
  bytes.forEach((byte, at) => {
    for (let rest = byte, bit = 8 * at; rest !== 0; rest >>= 1, bit += 1) if ((rest & 1) === 1) bits.push(bit);
  });
  if (bits.length <= bitsMax) return bits;
  throw new RemotingError('malformed', `BATCH_ACK_MESSAGE names over ${batchAckOffsetsMax} offsets`);
}

function bitOf(offset: bigint, startOffset: bigint): number {
  const bit = Number(offset - startOffset);
  if (bit >= 0 && bit < batchAckSpanMax) return bit;
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
