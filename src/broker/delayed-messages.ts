import type { Log } from '../log.ts';
import { MessageProperty } from '../remoting/message.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { SystemTopic } from '../remoting/topic-names.ts';
import { Alarm } from './alarm.ts';
import { type DelayOptions, deliverMsOf, deliveryOf, movedRecord, routeDelayed } from './delay-records.ts';
import { RequestRefused } from './refused.ts';
import { type LogEntry, type MessageDraft, type MessageStore, StoreError } from './store/message-store.ts';
import { engineTopicPrefix } from './store/store-options.ts';
import { draftOf, readMessage, realPlaceOf } from './stored-draft.ts';
import { TimerQueue } from './timer-queue.ts';

export interface DelayedMessagesOptions extends DelayOptions {
  /** Most messages that wait for their time: each takes about 70 bytes of memory. Default: 1,000,000. */
  readonly delayedCountMax?: number;
  readonly log: Log | undefined;
}

/** What delivery needs of the engine. */
export interface DelayedMessagesParts {
  readonly store: Pick<MessageStore, 'append' | 'read' | 'find'>;
}

/** Records whose only purpose is to take the place of a recalled one. */
const recallTopic = `${engineTopicPrefix}RECALL`;

const delayedCountMaxDefault = 1_000_000;
/** Messages and bytes of bodies of one append, and appends at a time: what one turn of the event loop may be held up by. */
const batchCountMax = 128;
const batchBytesMax = 1_048_576;
const inFlightCountMax = 4;
/** Messages, of 4 MiB at most, that one append moves. */
const movedCountMax = 8;
/** Wait after an append that failed; it doubles up to the longest. In real time: that is what a disk needs. */
const backOffMsMin = 100;
const backOffMsMax = 5_000;
/** Entries of the queue that may be of messages that are gone, before they are taken out. */
const staleCountMax = 1_024;
/** Recalled messages that are remembered, so that a second recall of one succeeds like the first. */
const recalledCountMax = 16_384;
/** Messages with one id that a recall looks at: those that a producer sent again count among them. */
const recallCandidatesMax = 64;

interface Due {
  readonly timeMs: number;
  readonly commitLogOffset: number;
  readonly draft: MessageDraft;
}

/**
 * Messages that wait for their time. A waiting message is a record of its own in one of two inner topics; its delivery is another record that
 * takes its place, in one write, and a recall is a record that takes its place and delivers nothing. So all of it follows from the log.
 */
export class DelayedMessages {
  readonly #options: DelayedMessagesOptions;
  readonly #alarm: Alarm;
  /** Commit log offsets of the records that wait, in the order of the log. */
  readonly #pending = new Set<number>();
  /** Times of the records that wait, and of some that do no more. */
  readonly #queue = new TimerQueue();
  /** Records that are being delivered or recalled. */
  readonly #busy = new Set<number>();
  readonly #recalled = new Set<number>();
  #store: DelayedMessagesParts['store'] | undefined;
  readonly #deliveries = new Set<Promise<void>>();
  #backOffMs = 0;
  #isMoving = false;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(options: DelayedMessagesOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#deliverAllDue());
  }

  /** Messages that wait. */
  get count(): number {
    return this.#pending.size;
  }

  /**
   * What is to be stored for a message: itself, or, where its properties name a delay, the record that waits in its place. Such a record
   * stays as it is.
   * @throws RequestRefused MESSAGE_ILLEGAL on a delay that cannot be; SYSTEM_BUSY when too many wait.
   */
  route(draft: MessageDraft): MessageDraft {
    const routed = routeDelayed(draft, this.#options);
    const { delayedCountMax = delayedCountMaxDefault } = this.#options;
    if (routed === draft || this.count < delayedCountMax) return routed;
    throw new RequestRefused(ResponseCode.SYSTEM_BUSY, `${delayedCountMax} messages wait for their time: send later`);
  }

  /** Learns from a record of the log what waits, and what waits no more. */
  onEntry(entry: LogEntry): void {
    const { replaces, commitLogOffset, topic } = entry;
    if (replaces !== 0) this.#pending.delete(replaces);
    if (topic === recallTopic) this.#rememberRecalled(replaces);
    const deliverMs = deliverMsOf(entry, this.#options.delayLevelsMs);
    if (deliverMs === undefined) return;
    this.#pending.add(commitLogOffset);
    this.#queue.push(deliverMs, commitLogOffset);
    if (this.#queue.count > 2 * this.#pending.size + staleCountMax) {
      this.#queue.retain((offset) => this.#pending.has(offset));
    }
    if (this.#store !== undefined) this.#alarm.set(deliverMs);
  }

  /** Begins to deliver. */
  start({ store }: DelayedMessagesParts): void {
    this.#store = store;
    this.#deliverDue();
  }

  /** The lowest commit log offset that is still needed; Infinity where none is. */
  oldestOffset(): number {
    const [oldest = Number.POSITIVE_INFINITY] = this.#pending;
    return oldest;
  }

  /**
   * Takes back a message that waits for a time. Done when it resolves, or when it was done before.
   * @param messageId UNIQ_KEY. All that wait with this one are taken back: they are one message, sent again.
   * @returns False when none waits, because it was delivered, is being so, or never was.
   * @throws StoreError
   */
  async recall(topic: string, messageId: string): Promise<boolean> {
    const store = this.#store;
    if (store === undefined) return false;
    const found = findRecords(store, topic, messageId);
    const waiting = found.filter(({ offset }) => this.#pending.has(offset) && !this.#busy.has(offset));
    if (waiting.length === 0) return found.some(({ offset }) => this.#recalled.has(offset));
    for (const { offset } of waiting) this.#busy.add(offset);
    try {
      await store.append(waiting.map(({ offset }) => recallDraft(offset, this.#options.clock.now())));
    } catch (error) {
      // Delivery passes over what is being recalled: where its time came meanwhile, it is in the queue no more.
      for (const { offset, deliverMs } of waiting) this.#queue.push(deliverMs, offset);
      throw error;
    } finally {
      for (const { offset } of waiting) this.#busy.delete(offset);
      this.#deliverDue();
    }
    return true;
  }

  /**
   * Stores what waits in a part of the log again at its end, so that one message with a long delay does not keep all that came behind
   * it; not where that would move most of the part. Never fails: what could not be moved waits where it is.
   */
  async moveOn(startOffset: number, endOffset: number): Promise<void> {
    const store = this.#store;
    if (store === undefined || this.#isMoving) return;
    this.#isMoving = true;
    try {
      const offsets = this.#offsetsToMove(store, endOffset, (endOffset - startOffset) / 2);
      for (let at = 0; at < offsets.length; at += movedCountMax) {
        await this.#move(store, offsets.slice(at, at + movedCountMax));
      }
    } catch (error) {
      this.#options.log?.warn({ err: error }, 'delayed messages cannot be moved: old messages are kept for them');
    } finally {
      this.#isMoving = false;
      this.#deliverDue();
    }
  }

  /** None where their records have more bytes than may be moved. */
  #offsetsToMove(store: DelayedMessagesParts['store'], endOffset: number, bytesMax: number): number[] {
    const offsets: number[] = [];
    let bytes = 0;
    for (const offset of this.#pending) {
      if (offset >= endOffset) break;
      bytes += store.read(offset)?.length ?? 0;
      if (bytes > bytesMax) return [];
      offsets.push(offset);
    }
    return offsets;
  }

  /** @throws StoreError */
  async #move(store: DelayedMessagesParts['store'], offsets: readonly number[]): Promise<void> {
    const { delayLevelsMs } = this.#options;
    const moved = offsets.flatMap((offset) => {
      const message = this.#pending.has(offset) && !this.#busy.has(offset) ? readMessage(store, offset) : undefined;
      if (message === undefined) return [];
      return [{ offset, draft: movedRecord(message, draftOf(message, { replaces: offset }), delayLevelsMs) }];
    });
    for (const { offset } of moved) this.#busy.add(offset);
    try {
      await store.append(moved.map(({ draft }) => draft));
    } catch (error) {
      for (const { offset, draft } of moved) this.#queue.push(timeOfRecord(draft), offset);
      throw error;
    } finally {
      for (const { offset } of moved) this.#busy.delete(offset);
    }
  }

  close(): void {
    this.#store = undefined;
    this.#alarm.cancel();
    clearTimeout(this.#retryTimer);
  }

  /** Resolves when all that is due was delivered, or the log does not take it. */
  async #deliverAllDue(): Promise<void> {
    this.#deliverDue();
    while (this.#deliveries.size > 0) await Promise.all(this.#deliveries);
  }

  #deliverDue(): void {
    const store = this.#store;
    if (store === undefined || this.#retryTimer !== undefined) return;
    const nowMs = this.#options.clock.now();
    while (this.#deliveries.size < inFlightCountMax && this.#queue.firstMs <= nowMs) {
      const batch = this.#takeBatch(store, nowMs);
      if (batch.length > 0) this.#deliver(store, batch);
    }
    if (this.#deliveries.size < inFlightCountMax) this.#alarm.set(this.#queue.firstMs);
  }

  #takeBatch(store: DelayedMessagesParts['store'], nowMs: number): Due[] {
    const batch: Due[] = [];
    let bodyBytes = 0;
    while (this.#queue.firstMs <= nowMs && batch.length < batchCountMax && bodyBytes < batchBytesMax) {
      const timeMs = this.#queue.firstMs;
      const commitLogOffset = this.#queue.pop() ?? 0;
      if (!this.#pending.has(commitLogOffset) || this.#busy.has(commitLogOffset)) continue;
      const draft = readDelivery(store, commitLogOffset);
      if (draft === undefined) {
        this.#giveUp(commitLogOffset, 'its record is damaged, or does not say for which topic it is');
        continue;
      }
      this.#busy.add(commitLogOffset);
      batch.push({ timeMs, commitLogOffset, draft });
      bodyBytes += draft.body.length;
    }
    return batch;
  }

  #deliver(store: DelayedMessagesParts['store'], batch: readonly Due[]): void {
    const delivery = this.#append(store, batch).then((failure) => {
      this.#deliveries.delete(delivery);
      for (const { commitLogOffset } of batch) this.#busy.delete(commitLogOffset);
      if (failure !== undefined) this.#onFailure(store, batch, failure);
      this.#deliverDue();
    });
    this.#deliveries.add(delivery);
  }

  /** Why it failed; undefined: it did not. */
  async #append(store: DelayedMessagesParts['store'], batch: readonly Due[]): Promise<unknown> {
    try {
      await store.append(batch.map(({ draft }) => draft));
      this.#backOffMs = 0;
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #onFailure(store: DelayedMessagesParts['store'], batch: readonly Due[], error: unknown): void {
    const isRefused = error instanceof StoreError && error.kind === 'refused';
    const [first] = batch;
    if (isRefused && batch.length > 1) {
      // One message that cannot be stored must not hold up those beside it.
      for (const due of batch) {
        this.#busy.add(due.commitLogOffset);
        this.#deliver(store, [due]);
      }
    } else if (isRefused && first !== undefined) {
      this.#giveUp(first.commitLogOffset, error.message);
    } else {
      for (const { timeMs, commitLogOffset } of batch) this.#queue.push(timeMs, commitLogOffset);
      this.#backOff(error);
    }
  }

  #backOff(error: unknown): void {
    if (this.#store === undefined || this.#retryTimer !== undefined) return;
    if (this.#backOffMs === 0) {
      this.#options.log?.warn(
        { err: error },
        'delayed messages cannot be delivered: they are late until the log takes them',
      );
    }
    this.#backOffMs = Math.min(Math.max(2 * this.#backOffMs, backOffMsMin), backOffMsMax);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.#deliverDue();
    }, this.#backOffMs);
  }

  #giveUp(commitLogOffset: number, reason: string): void {
    this.#pending.delete(commitLogOffset);
    this.#options.log?.error({ commitLogOffset, reason }, 'a delayed message can never be delivered');
  }

  #rememberRecalled(commitLogOffset: number): void {
    this.#recalled.add(commitLogOffset);
    const [oldest] = this.#recalled;
    if (this.#recalled.size > recalledCountMax && oldest !== undefined) this.#recalled.delete(oldest);
  }
}

function timeOfRecord({ properties }: Pick<MessageDraft, 'properties'>): number {
  return Number(properties.get(MessageProperty.TIMER_OUT_MS));
}

function readDelivery(store: Pick<MessageStore, 'read'>, commitLogOffset: number): MessageDraft | undefined {
  const message = readMessage(store, commitLogOffset);
  return message === undefined ? undefined : deliveryOf(message, draftOf(message, { replaces: commitLogOffset }));
}

interface WaitingRecord {
  readonly offset: number;
  readonly deliverMs: number;
}

/** The records of a message that wait or waited for a time. */
function findRecords(store: DelayedMessagesParts['store'], topic: string, messageId: string): WaitingRecord[] {
  const candidates = store.find({
    topic: SystemTopic.TIMER,
    key: messageId,
    unique: true,
    countMax: recallCandidatesMax,
    beginTimestampMs: 0,
    endTimestampMs: Number.MAX_SAFE_INTEGER,
  });
  return candidates.flatMap((offset) => {
    const message = readMessage(store, offset);
    if (message?.topic !== SystemTopic.TIMER || realPlaceOf(message)?.topic !== topic) return [];
    if (message.properties.get(MessageProperty.UNIQ_KEY) !== messageId) return [];
    return [{ offset, deliverMs: timeOfRecord(message) }];
  });
}

function recallDraft(commitLogOffset: number, nowMs: number): MessageDraft {
  return {
    topic: recallTopic,
    queueId: 0,
    flag: 0,
    sysFlag: 0,
    bornTimestampMs: nowMs,
    bornHost: '127.0.0.1:0',
    reconsumeTimes: 0,
    replaces: commitLogOffset,
    body: Buffer.from('recalled'),
    properties: new Map(),
  };
}
