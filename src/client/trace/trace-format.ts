/** Ends a value (Java `TraceConstants.CONTENT_SPLITOR`). */
const valueEnd = '\u0001';
/** Ends a record (Java `TraceConstants.FIELD_SPLITOR`). */
const recordEnd = '\u0002';

/** What Java's own clients write where there is no value; readers fail on records that end in nothing. */
const nothing = 'null';

/** How a traced message was sent (Java `MessageType`, by its number). */
export const TracedKind = { NORMAL: 0, HALF: 1, DELAYED: 3 } as const;
export type TracedKind = (typeof TracedKind)[keyof typeof TracedKind];

/** How the work on a traced message ended (Java `ConsumeReturnType`, by its number). */
export const TracedReturn = { SUCCESS: 0, TIME_OUT: 1, EXCEPTION: 2, FAILED: 4 } as const;
export type TracedReturn = (typeof TracedReturn)[keyof typeof TracedReturn];

/** One line of a message's history, as text, and the keys by which it is found. */
export interface TraceRecord {
  readonly text: string;
  /** The message's id and keys. */
  readonly keys: readonly string[];
}

/** What every line says of its message. */
interface Traced {
  readonly messageId: string;
  /** As the message has them, separated by spaces. */
  readonly keys: string | undefined;
  readonly group: string;
  /** When it happened, in ms since 1970; of `SubAfter` when it ended. */
  readonly timestampMs: number;
}

export interface PubTrace extends Traced {
  readonly region: string;
  readonly topic: string;
  readonly tag: string | undefined;
  /** `host:port` of the broker. */
  readonly storeHost: string;
  /** In bytes, before compression. */
  readonly bodyLength: number;
  readonly durationMs: number;
  readonly kind: TracedKind;
  readonly offsetMessageId: string;
  readonly success: boolean;
}

export interface SubBeforeTrace extends Traced {
  readonly region: string;
  /** Joins `SubBefore` and `SubAfter` of one delivery. */
  readonly requestId: string;
  readonly reconsumeTimes: number;
}

export interface SubAfterTrace extends Traced {
  readonly requestId: string;
  readonly durationMs: number;
  readonly success: boolean;
  readonly returned: TracedReturn;
}

/** A message was sent (Java `TraceDataEncoder`, `TraceType.Pub`). */
export function pubRecord(trace: PubTrace): TraceRecord {
  return record(trace, [
    'Pub',
    trace.timestampMs,
    trace.region,
    trace.group,
    trace.topic,
    trace.messageId,
    trace.tag,
    trace.keys,
    trace.storeHost,
    trace.bodyLength,
    trace.durationMs,
    trace.kind,
    trace.offsetMessageId,
    trace.success,
  ]);
}

/** Work on a message begins (`TraceType.SubBefore`). */
export function subBeforeRecord(trace: SubBeforeTrace): TraceRecord {
  return record(trace, [
    'SubBefore',
    trace.timestampMs,
    trace.region,
    trace.group,
    trace.requestId,
    trace.messageId,
    trace.reconsumeTimes,
    trace.keys,
  ]);
}

/** Work on a message has ended (`TraceType.SubAfter`). */
export function subAfterRecord(trace: SubAfterTrace): TraceRecord {
  return record(trace, [
    'SubAfter',
    trace.requestId,
    trace.messageId,
    trace.durationMs,
    trace.success,
    trace.keys,
    trace.returned,
    trace.timestampMs,
    trace.group,
  ]);
}

function record(
  { messageId, keys = '' }: Traced,
  values: readonly (string | number | boolean | undefined)[],
): TraceRecord {
  const text = values.map((value) => (value === undefined || value === '' ? nothing : plain(String(value))));
  return { text: text.join(valueEnd) + recordEnd, keys: [messageId, ...keys.split(' ').filter((key) => key !== '')] };
}

/** The format has no escape: a separator within a value would make up records. */
function plain(value: string): string {
  return value.replaceAll(valueEnd, ' ').replaceAll(recordEnd, ' ');
}
