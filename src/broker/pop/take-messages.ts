import { batchAckSpanMax } from '../../remoting/requests/batch-ack-message.ts';
import { readStoredProperties } from '../../remoting/stored-message.ts';
import type { ConsumerOffsets, GroupQueue } from '../consumer-offsets.ts';
import type { MessageFilter } from '../filters/message-filter.ts';
import type { StateLog } from '../state-log.ts';
import type { MessageStore } from '../store/message-store.ts';
import type { PopQueue } from './pop-queue.ts';
import type { PopQueues, PopQueuesParts } from './pop-queues.ts';
import { redeliveredRecord } from './redelivered-record.ts';

/** Bytes of messages above which no more are added to an answer; one message more may be in it. */
export const answerBytesMax = 4_194_304;
/** Messages that one POP looks at while its filter wants none of them, so that nobody waits long for it. */
export const lookedAtCountMax = 16_384;
/** What a message costs of that where its properties must be read. */
const propertiesCost = 16;

/** What taking needs of the engine. */
export interface TakeParts extends PopQueuesParts {
  readonly store: Pick<MessageStore, 'minOffset' | 'maxOffset' | 'entry' | 'read'>;
  readonly offsets: ConsumerOffsets;
  readonly topics: { get(name: string): { readonly readQueueCount: number } | undefined };
  readonly pops: PopQueues;
  readonly state: StateLog;
}

/** Where somebody takes messages from. */
export interface PopPlace {
  readonly group: string;
  readonly topic: string;
  /** Below 0: all queues. */
  readonly queueId: number;
  /** Nothing of a queue overtakes what is in flight in it. */
  readonly order: boolean;
  /** Of an ordered POP: sent again with the same, it gets the same messages again. Empty: none. */
  readonly attemptId: string;
}

export interface PopQuery extends PopPlace {
  /** A group that is new to a queue starts at its end, unless the queue still has its first message; otherwise at its start. */
  readonly startsAtEnd: boolean;
  readonly filter: MessageFilter;
  readonly countMax: number;
  readonly invisibleDurationMs: number;
}

/** What was taken from one queue. */
export interface TakenQueue {
  readonly queueId: number;
  readonly offsets: readonly number[];
  /** Deliveries before this one, of each. */
  readonly reconsumeTimes: readonly number[];
}

export interface Taken {
  readonly popTimeMs: number;
  /** Those with messages. */
  readonly queues: readonly TakenQueue[];
  /** The messages in RocketMQ's layout, in the order of the queues and their offsets. */
  readonly records: readonly Buffer[];
  /** Messages that the next POP may find. */
  readonly restCount: number;
  /** True where it stopped before the end because nothing was wanted for too long. */
  readonly isUnfinished: boolean;
  /** Resolves when it is stored that they are taken. */
  readonly stored: Promise<unknown>;
}

/** Takes messages: first what is visible again, then new ones. All of it happens in this turn. */
export function takeMessages(query: PopQuery, parts: TakeParts): Taken {
  const taking = new Taking(query, parts);
  for (const queueId of queueIds(query, parts)) taking.takeFrom(queueId);
  return taking.end();
}

/** True where a POP would find something, whatever its filter. */
export function hasMessages(place: PopPlace, parts: TakeParts): boolean {
  return queueIds(place, parts).some((queueId) => hasMessagesIn(place, queueId, parts));
}

function hasMessagesIn({ group, topic, order, attemptId }: PopPlace, queueId: number, parts: TakeParts): boolean {
  const { store, offsets, pops } = parts;
  const name = { group, topic, queueId };
  const isNew = (offsets.get(name) ?? store.minOffset(topic, queueId)) < store.maxOffset(topic, queueId);
  const queue = offsets.pendingReset(name) === undefined ? pops.find(name) : undefined;
  if (queue === undefined) return isNew;
  if (order && queue.isBlocked) {
    queue.waitedFor ??= 'order';
    return isAttemptOf(queue, attemptId);
  }
  if (queue.visibleCount > 0) return true;
  if (queue.count < parts.options.popInFlightCountMax) return isNew;
  queue.waitedFor = 'room';
  return false;
}

function isAttemptOf(queue: PopQueue | undefined, attemptId: string): boolean {
  return attemptId !== '' && queue?.attemptId === attemptId && queue.isBlocked;
}

/** In rotation; those first that an ordered POP took from when it came before. */
function queueIds({ group, topic, queueId, order, attemptId }: PopPlace, { topics, pops }: TakeParts): number[] {
  const count = topics.get(topic)?.readQueueCount ?? 0;
  if (queueId >= 0) return queueId < count ? [queueId] : [];
  const first = pops.turn(group, topic);
  const ids = Array.from({ length: count }, (_, at) => (first + at) % count);
  if (!order || attemptId === '') return ids;
  const isAgain = (id: number): boolean => isAttemptOf(pops.find({ group, topic, queueId: id }), attemptId);
  return [...ids.filter(isAgain), ...ids.filter((id) => !isAgain(id))];
}

/** What was found in one queue so far. */
interface Picked {
  readonly name: GroupQueue;
  readonly queue: PopQueue | undefined;
  readonly offsets: number[];
  readonly reconsumeTimes: number[];
  /** Popped messages that cannot be delivered any more. */
  readonly lost: number[];
}

/** True where one batch ack can name this offset together with what was picked before. */
function isNear(offset: number, { offsets }: Picked): boolean {
  return Math.abs(offset - (offsets[0] ?? offset)) < batchAckSpanMax;
}

/** One POP on its way through the queues. */
class Taking {
  readonly #query: PopQuery;
  readonly #parts: TakeParts;
  readonly #picked: Picked[] = [];
  readonly #records: Buffer[] = [];
  readonly #nextOffsets: (readonly [GroupQueue, number])[] = [];
  readonly #stored: Promise<unknown>[] = [];
  #popTimeMs: number;
  #bytes = 0;
  #lookedAtCount = 0;
  #restCount = 0;

  constructor(query: PopQuery, parts: TakeParts) {
    this.#query = query;
    this.#parts = parts;
    this.#popTimeMs = parts.options.clock.now();
  }

  takeFrom(queueId: number): void {
    const { group, topic, order, attemptId } = this.#query;
    const { pops, options } = this.#parts;
    const name = { group, topic, queueId };
    this.#followReset(name);
    const queue = pops.find(name);
    const picked = { name, queue, offsets: [], reconsumeTimes: [], lost: [] };
    if (order && queue?.isBlocked === true) {
      if (isAttemptOf(queue, attemptId)) this.#takeAgain(picked, queue.invisibleOffsets(options.clock.now()));
      else queue.waitedFor ??= 'order';
    } else {
      if (queue !== undefined) this.#takeVisible(picked, queue);
      this.#takeNew(picked);
    }
    if (picked.offsets.length > 0 || picked.lost.length > 0) this.#picked.push(picked);
  }

  /** Nothing is changed before all queues were looked at: the time of the POP must be later than that of what it takes again. */
  end(): Taken {
    const { pops, offsets, state, options } = this.#parts;
    const { group, topic, invisibleDurationMs, order, attemptId } = this.#query;
    const isUnfinished = this.#lookedAtCount >= lookedAtCountMax;
    const popTimeMs = this.#popTimeMs;
    const visibleAtMs = options.clock.now() + invisibleDurationMs;
    const queues: TakenQueue[] = [];
    for (const { name, lost, offsets: taken, reconsumeTimes } of this.#picked) {
      this.#stored.push(pops.drop(name, lost));
      if (taken.length === 0) continue;
      const popped = { offsets: taken, reconsumeTimes, attemptId: order ? attemptId : '' };
      this.#stored.push(pops.pop(name, { ...popped, popTimeMs, visibleAtMs }));
      queues.push({ queueId: name.queueId, offsets: taken, reconsumeTimes });
    }
    // Behind what is in flight, so that a log that ends in between loses nothing.
    for (const [name, next] of this.#nextOffsets) this.#stored.push(offsets.set(name, next, state));
    if (queues.length > 0 || isUnfinished) pops.endTurn(group, topic);
    return {
      popTimeMs,
      queues,
      records: this.#records,
      restCount: this.#restCount,
      isUnfinished,
      stored: Promise.all(this.#stored),
    };
  }

  get #isFull(): boolean {
    if (this.#records.length >= this.#query.countMax || this.#bytes >= answerBytesMax) return true;
    return this.#lookedAtCount >= lookedAtCountMax;
  }

  #followReset(name: GroupQueue): void {
    const { offsets, pops } = this.#parts;
    if (offsets.pendingReset(name) === undefined) return;
    offsets.endReset(name);
    if (pops.find(name) !== undefined) this.#stored.push(pops.clear(name));
  }

  /** The same delivery once more, for a client whose answer got lost: no redelivery. */
  #takeAgain(picked: Picked, offsets: readonly number[]): void {
    for (const offset of offsets) this.#takePopped(picked, offset, 0);
  }

  #takeVisible(picked: Picked, queue: PopQueue): void {
    while (!this.#isFull && isNear(queue.lowestVisible, picked)) {
      this.#takePopped(picked, queue.takeVisible(), 1);
    }
    this.#restCount += queue.visibleCount;
  }

  #takePopped(picked: Picked, offset: number, deliveryCount: number): void {
    const lease = picked.queue?.find(offset);
    if (lease === undefined) return;
    const { topic, queueId } = picked.name;
    const record = offset < this.#parts.store.minOffset(topic, queueId) ? undefined : this.#wanted(picked.name, offset);
    if (record === undefined) {
      picked.lost.push(offset);
      return;
    }
    this.#popTimeMs = Math.max(this.#popTimeMs, lease.popTimeMs + 1);
    this.#add(picked, offset, record, lease.reconsumeTimes + deliveryCount);
  }

  #takeNew(picked: Picked): void {
    const { name, queue } = picked;
    const { store, options } = this.#parts;
    const known = this.#parts.offsets.get(name);
    const max = store.maxOffset(name.topic, name.queueId);
    let next = this.#startOf(name, known, max);
    let room = options.popInFlightCountMax - (queue?.count ?? 0);
    for (; next < max && !this.#isFull; next += 1) {
      // An offset that was set back comes to messages that are in flight.
      if (queue?.find(next) !== undefined) continue;
      if (room <= 0) {
        if (queue !== undefined) queue.waitedFor = 'room';
        break;
      }
      if (!isNear(next, picked)) break;
      const record = this.#wanted(name, next);
      if (record === undefined) continue;
      this.#add(picked, next, record, 0);
      room -= 1;
    }
    if (next !== (known ?? 0)) this.#nextOffsets.push([name, next]);
    this.#restCount += max - next;
  }

  /** An offset outside the queue is of a time when it was longer, or has not lost its first messages yet. */
  #startOf({ topic, queueId }: GroupQueue, known: number | undefined, max: number): number {
    const min = this.#parts.store.minOffset(topic, queueId);
    if (known !== undefined) return Math.min(Math.max(known, min), max);
    return this.#query.startsAtEnd && min > 0 ? max : min;
  }

  /** Undefined where the message cannot be read, or the group does not want it. */
  #wanted({ topic, queueId }: GroupQueue, offset: number): Buffer | undefined {
    const { store } = this.#parts;
    const { filter } = this.#query;
    this.#lookedAtCount += filter.needsProperties ? propertiesCost : 1;
    const entry = store.entry(topic, queueId, offset);
    if (entry === undefined || !filter.matchesTagsCode(entry.tagsCode)) return undefined;
    const record = store.read(entry.commitLogOffset);
    if (record === undefined) return undefined;
    return filter.needsProperties && !filter.matches(readStoredProperties(record)) ? undefined : record;
  }

  #add(picked: Picked, offset: number, record: Buffer, reconsumeTimes: number): void {
    picked.offsets.push(offset);
    picked.reconsumeTimes.push(reconsumeTimes);
    this.#records.push(reconsumeTimes === 0 ? record : redeliveredRecord(record, reconsumeTimes));
    this.#bytes += record.length;
  }
}
