import { MessageProperty } from '../remoting/message.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import type { StoredMessage } from '../remoting/stored-message.ts';
import { SystemTopic } from '../remoting/topic-names.ts';
import type { Clock } from './clock.ts';
import { RequestRefused } from './refused.ts';
import type { LogEntry, MessageDraft } from './store/message-store.ts';
import { messageOf, realPlaceOf, withRealPlace } from './stored-draft.ts';

export interface DelayOptions {
  readonly clock: Clock;
  /** How long each delay level lasts; level 1 is the first. */
  readonly delayLevelsMs: readonly number[];
  /** Longest delay of a message that names its time. */
  readonly delayMsMax: number;
}

const timerProperties = [
  MessageProperty.TIMER_DELIVER_MS,
  MessageProperty.TIMER_DELAY_MS,
  MessageProperty.TIMER_DELAY_SEC,
] as const;

/**
 * What is to be stored for a message: itself, or the record that waits in its place. A delay level wins over a time, as in Java
 * `HookUtils.handleScheduleMessage`; a time that is over means at once.
 * @throws RequestRefused MESSAGE_ILLEGAL on a delay that cannot be.
 */
export function routeDelayed(draft: MessageDraft, options: DelayOptions): MessageDraft {
  if (draft.topic === SystemTopic.SCHEDULE || draft.topic === SystemTopic.TIMER) return draft;
  const level = levelOf(draft, options.delayLevelsMs.length);
  if (level > 0) {
    return withRealPlace(withoutProperties(draft, timerProperties), {
      topic: SystemTopic.SCHEDULE,
      queueId: level - 1,
    });
  }
  const deliverMs = timeOf(draft, options);
  if (deliverMs === undefined) return draft;
  const waiting = withRealPlace(draft, { topic: SystemTopic.TIMER, queueId: 0 });
  return { ...waiting, properties: new Map([...waiting.properties, [MessageProperty.TIMER_OUT_MS, `${deliverMs}`]]) };
}

/** The same message without anything that would have it wait. */
export function withoutDelay(draft: MessageDraft): MessageDraft {
  return withoutProperties(draft, [MessageProperty.DELAY, ...timerProperties]);
}

/** When a record's message is to be delivered; undefined for records that wait for nothing. Known from the record alone. */
export function deliverMsOf(entry: LogEntry, delayLevelsMs: readonly number[]): number | undefined {
  if (entry.topic === SystemTopic.SCHEDULE) return levelTimeMs(entry.queueId, entry.storeTimestampMs, delayLevelsMs);
  return entry.topic === SystemTopic.TIMER
    ? readTime(messageOf(entry.record), MessageProperty.TIMER_OUT_MS)
    : undefined;
}

/**
 * The message that a record waits for; undefined where the record does not say for what. What it keeps of its properties is as in Java:
 * after a delay level its real place (`ScheduleMessageService`), after a time the wish and `TIMER_OUT_MS` (`TimerMessageStore`), which
 * keeps it from waiting again. `TIMER_ENQUEUE_MS` and `TIMER_DEQUEUE_MS` are left out: they could make it too large to be stored.
 */
export function deliveryOf(message: StoredMessage, draft: MessageDraft): MessageDraft | undefined {
  const place = realPlaceOf(message);
  if (place === undefined) return undefined;
  const names =
    message.topic === SystemTopic.SCHEDULE
      ? [MessageProperty.DELAY, MessageProperty.TIMER_DELIVER_MS, MessageProperty.TIMER_DELAY_SEC]
      : [MessageProperty.REAL_TOPIC, MessageProperty.REAL_QUEUE_ID];
  return { ...withoutProperties(draft, names), ...place };
}

/** A record that waits in the place of another one until the same time. One of a delay level becomes one that names its time. */
export function movedRecord(
  message: StoredMessage,
  draft: MessageDraft,
  delayLevelsMs: readonly number[],
): MessageDraft {
  if (message.topic !== SystemTopic.SCHEDULE) return draft;
  const { properties } = withoutProperties(draft, [MessageProperty.DELAY]);
  const deliverMs = levelTimeMs(message.queueId, message.storeTimestampMs, delayLevelsMs);
  const timed = new Map([...properties, [MessageProperty.TIMER_OUT_MS, `${deliverMs}`]]);
  return { ...draft, topic: SystemTopic.TIMER, queueId: 0, properties: timed };
}

function levelTimeMs(queueId: number, storeTimestampMs: number, delayLevelsMs: readonly number[]): number {
  return storeTimestampMs + (delayLevelsMs[Math.min(queueId, delayLevelsMs.length - 1)] ?? 0);
}

/** The level that counts: higher ones than there are mean the last, as in Java; 0 for none. */
function levelOf({ properties }: MessageDraft, levelMax: number): number {
  const text = properties.get(MessageProperty.DELAY);
  if (text === undefined) return 0;
  if (!/^[+-]?\d{1,10}$/.test(text)) throw illegal(`${text.slice(0, 50)} is no delay level`);
  return Math.min(Math.max(Number(text), 0), levelMax);
}

/** The time that a message names; undefined where it names none, or one that is over. A delivered one has had its time. */
function timeOf({ properties }: MessageDraft, { clock, delayMsMax }: DelayOptions): number | undefined {
  if (properties.has(MessageProperty.TIMER_OUT_MS)) return undefined;
  const name = timerProperties.findLast((candidate) => properties.has(candidate));
  if (name === undefined) return undefined;
  const value = readTime({ properties }, name);
  if (value === undefined) throw illegal(`${name} is no number`);
  const nowMs = clock.now();
  const deliverMs = deliverMsFrom(name, value, nowMs);
  if (deliverMs <= nowMs) return undefined;
  if (deliverMs - nowMs > delayMsMax) throw illegal(`it is to be delivered in more than ${delayMsMax} ms`);
  if (properties.has(MessageProperty.TIMER_DEL_UNIQKEY)) throw illegal('recall a message by RECALL_MESSAGE');
  return deliverMs;
}

function deliverMsFrom(name: (typeof timerProperties)[number], value: number, nowMs: number): number {
  if (name === MessageProperty.TIMER_DELIVER_MS) return value;
  return nowMs + (name === MessageProperty.TIMER_DELAY_SEC ? 1_000 * value : value);
}

function readTime(message: Pick<StoredMessage, 'properties'> | undefined, name: string): number | undefined {
  const text = message?.properties.get(name);
  return text !== undefined && /^[+-]?\d{1,19}$/.test(text) ? Number(text) : undefined;
}

function withoutProperties(draft: MessageDraft, names: readonly string[]): MessageDraft {
  const properties = new Map(draft.properties);
  for (const name of names) properties.delete(name);
  return { ...draft, properties };
}

function illegal(why: string): RequestRefused {
  return new RequestRefused(ResponseCode.MESSAGE_ILLEGAL, `the delay of the message cannot be: ${why}`);
}
