import { RemotingError } from './errors.ts';
import { MessageProperty } from './message.ts';
import type { StoredMessage } from './stored-message.ts';
import { retryKindOf } from './topic-names.ts';

/** What ends or changes the invisibility of one popped message. Plain numbers that can be guessed: seal it before a client gets it. */
export interface PopReceipt {
  /** First offset of the checkpoint that the POP wrote for the queue. */
  readonly startOffset: bigint;
  readonly popTimeMs: number;
  readonly invisibleDurationMs: number;
  readonly reviveQueueId: number;
  /** Which topic the message lies in: 0 the normal one, 1 the retry topic, 2 the retry topic of the second form. */
  readonly retry: '0' | '1' | '2';
  readonly brokerName: string;
  readonly queueId: number;
  readonly queueOffset: bigint;
}

/** What the reply to a POP says about all of its messages. */
export interface PopReply {
  readonly popTimeMs?: number | undefined;
  readonly invisibleDurationMs?: number | undefined;
  readonly reviveQueueId?: number | undefined;
  /** `retry queueId startOffset`, joined by semicolons. */
  readonly startOffsetInfo?: string | undefined;
  /** `retry queueId offset,offset`, joined by semicolons. */
  readonly msgOffsetInfo?: string | undefined;
  /** Ordered POP only: `retry queueId count` and `retry qo<queueId>%<offset> count`, joined by semicolons. */
  readonly orderCountInfo?: string | undefined;
}

const int32Max = 2_147_483_647n;
const int64Max = 9_223_372_036_854_775_807n;
const millisMax = BigInt(Number.MAX_SAFE_INTEGER);

/** The eight parts joined by spaces, as brokers want them back (Java `ExtraInfoUtil.buildExtraInfo`). */
export function encodePopReceipt(receipt: PopReceipt): string {
  return [
    receipt.startOffset,
    receipt.popTimeMs,
    receipt.invisibleDurationMs,
    receipt.reviveQueueId,
    receipt.retry,
    receipt.brokerName,
    receipt.queueId,
    receipt.queueOffset,
  ].join(' ');
}

/**
 * Reads what `encodePopReceipt` or a broker wrote, and nothing else.
 * @throws RemotingError `malformed`.
 */
export function decodePopReceipt(text: string): PopReceipt {
  const parts = text.split(' ', 9);
  const [start, popTime, invisible, revive, retry, brokerName, queueId, queueOffset] = parts;
  if (parts.length !== 8 || queueOffset === undefined || brokerName === undefined || brokerName === '') {
    throw new RemotingError('malformed', 'a POP receipt has eight parts, none of them empty');
  }
  if (retry !== '0' && retry !== '1' && retry !== '2') {
    throw new RemotingError('malformed', 'the fifth part of a POP receipt is 0, 1 or 2');
  }
  // An invisible duration below zero is legal: it makes a message visible at once.
  const shown = invisible?.startsWith('-') === true ? invisible.slice(1) : invisible;
  const invisibleDurationMs = Number(readInteger(shown, millisMax)) * (shown === invisible ? 1 : -1);
  if (Object.is(invisibleDurationMs, -0)) throw notAnInteger();
  return {
    startOffset: readInteger(start, int64Max),
    popTimeMs: Number(readInteger(popTime, millisMax)),
    invisibleDurationMs,
    reviveQueueId: Number(readInteger(revive, int32Max)),
    retry,
    brokerName,
    queueId: Number(readInteger(queueId, int32Max)),
    queueOffset: readInteger(queueOffset, int64Max),
  };
}

/** Digits as Java writes them: no sign, no leading zero. */
function readInteger(text: string | undefined, max: bigint): bigint {
  const value = text !== undefined && /^(?:0|[1-9]\d{0,18})$/.test(text) ? BigInt(text) : undefined;
  if (value === undefined || value > max) throw notAnInteger();
  return value;
}

function notAnInteger(): RemotingError {
  return new RemotingError('malformed', 'POP data has a number that is none, or is out of range');
}

/**
 * The receipts of the messages that one POP brought, in their order (Java `MQClientAPIImpl.processPopResponse`).
 * @throws RemotingError `malformed` when the reply does not account for a message.
 */
export function popReceipts(reply: PopReply, brokerName: string, messages: readonly StoredMessage[]): PopReceipt[] {
  const { popTimeMs, invisibleDurationMs, reviveQueueId } = reply;
  if (popTimeMs === undefined || invisibleDurationMs === undefined || reviveQueueId === undefined) {
    throw new RemotingError('malformed', 'the reply to a POP brought messages, but not when and how they were popped');
  }
  const startOffsets = parseInfo(reply.startOffsetInfo);
  const queueOffsets = parseOffsetLists(reply.msgOffsetInfo);
  const receiptOf = (message: StoredMessage): PopReceipt => {
    const own = ownReceipt(message, popTimeMs);
    if (own !== undefined) return own;
    const retry = retryKindOf(message.topic);
    const { queueId, queueOffset } = message;
    const queue = `${retry} ${queueId}`;
    const start = startOffsets.get(queue);
    if (start === undefined || queueOffsets.get(queue)?.has(String(queueOffset)) !== true) {
      throw new RemotingError(
        'malformed',
        `the reply to a POP does not list offset ${queueOffset} of queue ${queueId}`,
      );
    }
    const startOffset = readInteger(start, int64Max);
    return { startOffset, popTimeMs, invisibleDurationMs, reviveQueueId, retry, brokerName, queueId, queueOffset };
  };
  return messages.map(receiptOf);
}

/** Offsets that a POP took, by the first two parts of their entry. */
function parseOffsetLists(text: string | undefined): Map<string, ReadonlySet<string>> {
  const lists = new Map<string, ReadonlySet<string>>();
  for (const [queue, offsets] of parseInfo(text)) lists.set(queue, new Set(offsets.split(',')));
  return lists;
}

/**
 * The receipt that the broker itself put on a message of the retry topic, when it gave the message the normal topic's name. Brokers
 * do not look for the property inside batches, so a producer may have put it there: only one of this POP counts.
 */
function ownReceipt(message: StoredMessage, popTimeMs: number): PopReceipt | undefined {
  const text = message.properties.get(MessageProperty.POP_CK);
  if (text === undefined) return undefined;
  try {
    const receipt = decodePopReceipt(text);
    const { queueId, queueOffset } = receipt;
    const isOfThisPop =
      receipt.popTimeMs === popTimeMs && queueId === message.queueId && queueOffset === message.queueOffset;
    return isOfThisPop ? receipt : undefined;
  } catch (error) {
    if (error instanceof RemotingError) return undefined;
    throw error;
  }
}

/**
 * How often each message of an ordered POP came before: the count of its offset where the broker lists it, else the one of its queue,
 * else the message's own.
 * @throws RemotingError `malformed`.
 */
export function popReconsumeTimes(reply: PopReply, messages: readonly StoredMessage[]): number[] {
  const counts = parseInfo(reply.orderCountInfo);
  return messages.map((message) => {
    const retry = retryKindOf(message.topic);
    const ofOffset = counts.get(`${retry} qo${message.queueId}%${message.queueOffset}`);
    const count = ofOffset ?? counts.get(`${retry} ${message.queueId}`) ?? '0';
    return Number(readInteger(count, int32Max)) || message.reconsumeTimes;
  });
}

/** Entries of three parts, by the first two; an empty text has none. */
function parseInfo(text: string | undefined): Map<string, string> {
  const values = new Map<string, string>();
  if (text === undefined || text === '') return values;
  for (const entry of text.split(';')) {
    const [retry, queue, value, ...more] = entry.split(' ');
    const key = `${retry} ${queue}`;
    if (value === undefined || more.length > 0 || values.has(key)) {
      throw new RemotingError(
        'malformed',
        'an offset list in the reply to a POP is not of three parts, or names a queue twice',
      );
    }
    values.set(key, value);
  }
  return values;
}
