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

/** Most characters of one list in a reply; 64 messages take less than 2,000. */
const infoLengthMax = 65_536;

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
  if (!isRetryKind(retry)) throw notAKind();
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

function isRetryKind(text: string | undefined): text is PopReceipt['retry'] {
  return text === '0' || text === '1' || text === '2';
}

function notAKind(): RemotingError {
  return new RemotingError('malformed', 'POP data names a kind of topic that is not 0, 1 or 2');
}

function notAnInteger(): RemotingError {
  return new RemotingError('malformed', 'POP data has a number that is none, or is out of range');
}

/** One message that a POP took, as its reply lists it. */
type Slot = Pick<PopReceipt, 'retry' | 'queueId' | 'startOffset' | 'queueOffset'>;

/**
 * The receipts of the messages that one POP brought, in their order (compare Java `MQClientAPIImpl.processPopResponse`). Brokers list
 * offsets in the order of the messages, and the list counts: the offset inside a message is greater from then on when a broker has
 * stored a message and failed to put it into its queue. Where list and messages do not go together one by one, each message must be
 * listed with its own offset.
 * @throws RemotingError `malformed` when the reply does not account for a message.
 */
export function popReceipts(reply: PopReply, brokerName: string, messages: readonly StoredMessage[]): PopReceipt[] {
  const { popTimeMs, invisibleDurationMs, reviveQueueId } = reply;
  if (popTimeMs === undefined || invisibleDurationMs === undefined || reviveQueueId === undefined) {
    throw new RemotingError('malformed', 'the reply to a POP brought messages, but not when and how they were popped');
  }
  const slots = slotsOf(reply);
  // Where no slot is of a retry topic, no message needs to have its properties read for it.
  const hasRetried = slots.some(({ retry }) => retry !== '0');
  const kinds = messages.map((message) => (hasRetried ? kindOf(message, popTimeMs) : retryKindOf(message.topic)));
  const inOrder =
    slots.length === messages.length &&
    slots.every((slot, index) => messages[index]?.queueId === slot.queueId && isOfKind(slot, kinds[index]));
  const found = inOrder ? slots : messages.map(slotFinder(slots, kinds));
  return found.map(({ startOffset, retry, queueId, queueOffset }) => ({
    startOffset,
    popTimeMs,
    invisibleDurationMs,
    reviveQueueId,
    retry,
    brokerName,
    queueId,
    queueOffset,
  }));
}

function slotsOf(reply: PopReply): Slot[] {
  const startOffsets = parseInfo(reply.startOffsetInfo);
  const slots: Slot[] = [];
  for (const [queue, offsets] of parseInfo(reply.msgOffsetInfo)) {
    const [retry, queueId] = queue.split(' ');
    if (!isRetryKind(retry)) throw notAKind();
    const place = {
      retry,
      queueId: Number(readInteger(queueId, int32Max)),
      startOffset: readInteger(startOffsets.get(queue), int64Max),
    };
    for (const offset of offsets.split(',')) slots.push({ ...place, queueOffset: readInteger(offset, int64Max) });
  }
  return slots;
}

/**
 * Which topic a message says it comes from. Brokers give a retried message the name of the normal topic, and a receipt instead that
 * says more. That property may also come from a producer, since brokers do not look for it inside batches, so it proves nothing
 * unless it is of this POP and this message, and its lack proves nothing at all.
 */
function kindOf(message: StoredMessage, popTimeMs: number): PopReceipt['retry'] {
  const text = message.properties.get(MessageProperty.POP_CK);
  const named = retryKindOf(message.topic);
  if (named !== '0' || text === undefined) return named;
  try {
    const own = decodePopReceipt(text);
    const isOfThisPop = own.popTimeMs === popTimeMs && own.queueId === message.queueId;
    return isOfThisPop && own.queueOffset === message.queueOffset ? own.retry : '0';
  } catch (error) {
    if (error instanceof RemotingError) return '0';
    throw error;
  }
}

function isOfKind(slot: Slot, kind: PopReceipt['retry'] | undefined): boolean {
  return kind === '0' || kind === slot.retry;
}

function slotFinder(
  slots: readonly Slot[],
  kinds: readonly PopReceipt['retry'][],
): (message: StoredMessage, index: number) => Slot {
  const byOffset = new Map<string, Slot[]>();
  for (const slot of slots) {
    const key = `${slot.queueId} ${slot.queueOffset}`;
    byOffset.set(key, [...(byOffset.get(key) ?? []), slot]);
  }
  return ({ queueId, queueOffset }, index) => {
    const candidates = byOffset.get(`${queueId} ${queueOffset}`) ?? [];
    const slot =
      candidates.find(({ retry }) => retry === kinds[index]) ?? candidates.find((each) => isOfKind(each, kinds[index]));
    if (slot !== undefined) return slot;
    throw new RemotingError('malformed', `the reply to a POP does not list offset ${queueOffset} of queue ${queueId}`);
  };
}

/**
 * How often each message of an ordered POP came before: the count of its offset where the broker lists it, else the one of its queue,
 * else the message's own.
 * @param receipts What `popReceipts` made of the same reply and messages.
 * @throws RemotingError `malformed`.
 */
export function popReconsumeTimes(
  reply: PopReply,
  messages: readonly StoredMessage[],
  receipts: readonly PopReceipt[],
): number[] {
  const counts = parseInfo(reply.orderCountInfo);
  return receipts.map(({ retry, queueId, queueOffset }, index) => {
    const count = counts.get(`${retry} qo${queueId}%${queueOffset}`) ?? counts.get(`${retry} ${queueId}`) ?? '0';
    return Number(readInteger(count, int32Max)) || (messages[index]?.reconsumeTimes ?? 0);
  });
}

/** Entries of three parts, by the first two; an empty text has none. */
function parseInfo(text = ''): Map<string, string> {
  const values = new Map<string, string>();
  if (text === '') return values;
  if (text.length > infoLengthMax) {
    throw new RemotingError('malformed', `an offset list in the reply to a POP is over ${infoLengthMax} characters`);
  }
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
