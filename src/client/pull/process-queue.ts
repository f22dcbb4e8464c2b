import type { StoredMessage } from '../../remoting/stored-message.ts';
import type { ProcessQueueLimits } from './pull-options.ts';

/** A message of a queue that was pulled and is not done. */
export interface PulledMessage {
  readonly stored: StoredMessage;
  /** The topic that consumers know: of a message that comes again the one that it was sent to. */
  readonly topic: string;
  /** Its place among all that its queue took in. */
  readonly place: number;
  /** Its queue offset less the one where its queue was begun. */
  readonly distance: number;
  /** How often it was handed out here before, on top of what brokers count. Changed by its queue, like what follows. */
  localReconsumeTimes: number;
  /** Not to be handed out before this time, on the monotonic clock, in ms. */
  notBeforeMs: number;
}

/** Holes at the start of a queue that are not worth being cut off. */
const holesMin = 64;

/** What a pull brought of a queue. */
export type ArrivedMessage = Pick<PulledMessage, 'stored' | 'topic'>;

/**
 * One queue as its reader works on it: messages are handed out in the order of their offsets, and done in any order. What is
 * committed is the smallest offset that is not done, so that a crash loses nothing.
 */
export class ProcessQueue {
  readonly #limits: ProcessQueueLimits;
  readonly #ordered: boolean;
  readonly #beginOffset: bigint;
  /** In ascending order, with a hole for each that is done: nothing of those is kept. */
  #pending: (PulledMessage | undefined)[] = [];
  /** Of the first that is not done. */
  #firstIndex = 0;
  /** The place of the message at index 0. */
  #placeAtStart = 0;
  #count = 0;
  #lastOffset: bigint;
  #lastDistance = 0;
  /** What was never handed out, by topic, in order: only retry topics hold messages of several. */
  readonly #fresh = new Map<string, PulledMessage[]>();
  /** What is to be handed out again. */
  readonly #again = new Set<PulledMessage>();
  #bytes = 0;
  #freshCount = 0;
  #freshBytes = 0;
  #nextOffset: bigint;

  /**
   * @param nextOffset where the first pull begins.
   * @param ordered whether a message is handed out only when all before it are done.
   */
  constructor(nextOffset: bigint, limits: ProcessQueueLimits, ordered: boolean) {
    this.#beginOffset = nextOffset;
    this.#nextOffset = nextOffset;
    this.#lastOffset = nextOffset;
    this.#limits = limits;
    this.#ordered = ordered;
  }

  /** Where the next pull begins. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }

  /** The smallest offset that is not done. */
  get committedOffset(): bigint {
    return this.firstOffset ?? this.#nextOffset;
  }

  /** Of the messages that are not done; undefined where there are none. */
  get firstOffset(): bigint | undefined {
    return this.#first?.stored.queueOffset;
  }

  /** The last that a pull brought. */
  get lastOffset(): bigint {
    return this.#lastOffset;
  }

  /** Messages that are not done. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the bodies that are not done. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that were never handed out. */
  get freshCount(): number {
    return this.#freshCount;
  }

  /** Bytes of their bodies. */
  get freshBytes(): number {
    return this.#freshBytes;
  }

  /** Topics of the messages that were never handed out. */
  get freshTopics(): readonly string[] {
    return [...this.#fresh.keys()];
  }

  /** True when no more may be pulled before something is done. */
  get isFull(): boolean {
    const { messagesMax, bytesMax, spanMax } = this.#limits;
    const first = this.#first;
    if (first === undefined) return false;
    if (this.#count >= messagesMax || this.#bytes >= bytesMax) return true;
    return this.#lastDistance - first.distance >= spanMax;
  }

  /** Takes in what a pull brought. @param nextOffset where the broker says the next one begins. */
  add(arrived: readonly ArrivedMessage[], nextOffset: bigint): void {
    for (const { stored, topic } of arrived) {
      const { queueOffset, body } = stored;
      // A broker that repeats itself must not make us do so.
      if (queueOffset < this.#nextOffset) continue;
      this.#nextOffset = queueOffset + 1n;
      this.#lastOffset = queueOffset;
      this.#lastDistance = Number(queueOffset - this.#beginOffset);
      const [place, distance] = [this.#placeAtStart + this.#pending.length, this.#lastDistance];
      const pulled = { stored, topic, place, distance, localReconsumeTimes: 0, notBeforeMs: 0 };
      this.#pending.push(pulled);
      this.#count += 1;
      const fresh = this.#fresh.get(topic);
      if (fresh === undefined) this.#fresh.set(topic, [pulled]);
      else fresh.push(pulled);
      this.#bytes += body.length;
      this.#freshCount += 1;
      this.#freshBytes += body.length;
    }
    if (nextOffset > this.#nextOffset) this.#nextOffset = nextOffset;
  }

  /** The next message of a topic to be handed out, if there is one now. */
  take(topic: string, nowMs: number): PulledMessage | undefined {
    if (this.#ordered) return this.#takeFirst(topic, nowMs);
    return (this.#again.size === 0 ? undefined : this.#takeAgain(topic, nowMs)) ?? this.#takeFresh(topic);
  }

  /** Takes all messages of a topic that were never handed out. */
  takeAllFresh(topic: string): readonly PulledMessage[] {
    const messages: PulledMessage[] = [];
    for (let message = this.#takeFresh(topic); message !== undefined; message = this.#takeFresh(topic)) {
      messages.push(message);
    }
    return messages;
  }

  /**
   * Lets go of what was never handed out, back to the last that was or is done: the next pull begins there.
   * @returns the first of what is gone; undefined where nothing is.
   */
  dropFresh(): StoredMessage | undefined {
    let first: PulledMessage | undefined;
    for (let last = this.#lastFresh; last !== undefined; last = this.#lastFresh) {
      first = last;
      this.#pending.pop();
      this.#fresh.get(last.topic)?.pop();
      this.#noteTaken(last);
      this.#count -= 1;
      this.#bytes -= last.stored.body.length;
    }
    if (first === undefined) return undefined;
    this.#nextOffset = first.stored.queueOffset;
    this.#lastOffset = this.#nextOffset - 1n;
    this.#lastDistance = first.distance - 1;
    return first.stored;
  }

  /** Is to be handed out again, as one more try, from that time on. */
  handBack(message: PulledMessage, notBeforeMs: number): void {
    if (!this.#isPending(message)) return;
    message.notBeforeMs = notBeforeMs;
    message.localReconsumeTimes += 1;
    this.#again.add(message);
  }

  /** It need not come again. */
  done(message: PulledMessage): void {
    if (!this.#isPending(message)) return;
    this.#pending[message.place - this.#placeAtStart] = undefined;
    this.#count -= 1;
    this.#bytes -= message.stored.body.length;
    this.#passHoles();
  }

  get #first(): PulledMessage | undefined {
    return this.#pending[this.#firstIndex];
  }

  #isPending(message: PulledMessage): boolean {
    return this.#pending[message.place - this.#placeAtStart] === message;
  }

  /** Goes on to the first that is not done. */
  #passHoles(): void {
    while (this.#firstIndex < this.#pending.length && this.#first === undefined) this.#firstIndex += 1;
    // At least half of it at a time, so that each message is moved once at most.
    if (this.#firstIndex < holesMin || 2 * this.#firstIndex < this.#pending.length) return;
    this.#pending = this.#pending.slice(this.#firstIndex);
    this.#placeAtStart += this.#firstIndex;
    this.#firstIndex = 0;
  }

  #takeAgain(topic: string, nowMs: number): PulledMessage | undefined {
    for (const message of this.#again) {
      if (message.topic !== topic || message.notBeforeMs > nowMs) continue;
      this.#again.delete(message);
      return message;
    }
    return undefined;
  }

  /** In order: only the first of all that are not done, and only while it is not handed out already. */
  #takeFirst(topic: string, nowMs: number): PulledMessage | undefined {
    const first = this.#first;
    if (first === undefined || first.topic !== topic) return undefined;
    if (this.#again.has(first)) {
      if (first.notBeforeMs > nowMs) return undefined;
      this.#again.delete(first);
      return first;
    }
    return this.#fresh.get(topic)?.[0] === first ? this.#takeFresh(topic) : undefined;
  }

  #takeFresh(topic: string): PulledMessage | undefined {
    const message = this.#fresh.get(topic)?.shift();
    if (message !== undefined) this.#noteTaken(message);
    return message;
  }

  /** The last of all, if it was never handed out. */
  get #lastFresh(): PulledMessage | undefined {
    const last = this.#pending.at(-1);
    return last !== undefined && this.#fresh.get(last.topic)?.at(-1) === last ? last : undefined;
  }

  /** It is no longer among what was never handed out. */
  #noteTaken({ topic, stored }: PulledMessage): void {
    if (this.#fresh.get(topic)?.length === 0) this.#fresh.delete(topic);
    this.#freshCount -= 1;
    this.#freshBytes -= stored.body.length;
  }
}
