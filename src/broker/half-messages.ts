import type { Log } from '../log.ts';
import type { CommandContent } from '../remoting/command.ts';
import { RemotingError } from '../remoting/errors.ts';
import { MessageProperty } from '../remoting/message.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import type { StoredMessage } from '../remoting/stored-message.ts';
import { SystemTopic } from '../remoting/topic-names.ts';
import { Alarm } from './alarm.ts';
import type { Clock } from './clock.ts';
import {
  checkContent,
  committedDraft,
  type Ended,
  endedBy,
  endedByOutcome,
  givenUpDraft,
  halfDraft,
  immunityMsOf,
  requireHalf,
  rollbackDraft,
  type TransactionEnd,
} from './half-records.ts';
import { RequestRefused } from './refused.ts';
import { type LogEntry, type MessageDraft, type MessageStore, StoreError } from './store/message-store.ts';
import { messageOf, readMessage } from './stored-draft.ts';
import { TimerQueue } from './timer-queue.ts';

export interface HalfMessagesOptions {
  readonly clock: Clock;
  /** Age at which a half message is checked for the first time, unless it says longer. */
  readonly transactionTimeoutMs: number;
  /** Time between two checks of a half message. */
  readonly transactionCheckIntervalMs: number;
  /** Checks after which a half message is given up. They are counted from anew after a restart. */
  readonly transactionCheckMax: number;
  /** Age at which a half message is given up, however often it was checked: it keeps the log behind it from being deleted. */
  readonly retentionMs: number;
  readonly brokerName: string;
  /** Most half messages: each takes about 250 bytes of memory. Default: 200,000. */
  readonly halfCountMax?: number;
  readonly log: Log | undefined;
}

/** What half messages need of the engine. */
export interface HalfMessagesParts {
  readonly store: Pick<MessageStore, 'append' | 'read'>;
  readonly clients: {
    /** A connection of a live producer of the group. */
    producerConnection(group: string): { sendOneWay(content: CommandContent): void } | undefined;
  };
  offsetMessageId(commitLogOffset: number): string;
  /** Stores messages for their topics, each at its time where its properties name one. */
  put(drafts: readonly MessageDraft[]): Promise<unknown>;
}

const halfCountMaxDefault = 200_000;
/** Ended transactions that are remembered, so that an end which comes twice is answered as the first was. */
const endedCountMax = 65_536;
/** Checks in one turn of the event loop. */
const checksPerTurnMax = 64;
/** Entries of the queue that may be of half messages that are gone, before they are taken out. */
const staleCountMax = 1_024;

interface Half {
  readonly producerGroup: string;
  readonly expiresMs: number;
  nextCheckMs: number;
  checkCount: number;
  /** Its end is being stored. */
  ending: { readonly ended: Ended; readonly stored: Promise<void> } | undefined;
}

/**
 * Half messages, until their transactions end. A half message is a record of an inner topic; what ends it is a record that takes its place:
 * the message itself, or one that only says so. So which ones wait, and how others ended, follows from the log. Unlike Java's, an end
 * that comes twice is carried out once, and one that contradicts the first is refused.
 */
export class HalfMessages {
  readonly #options: HalfMessagesOptions;
  readonly #alarm: Alarm;
  /** By commit log offset, in the order of the log. */
  readonly #pending = new Map<number, Half>();
  /** Times of the next checks, and of some that are over. */
  readonly #checks = new TimerQueue();
  /** Half messages whose check found no producer, by group. */
  readonly #unasked = new Map<string, Set<number>>();
  readonly #ended = new Map<number, Ended>();
  #parts: HalfMessagesParts | undefined;

  constructor(options: HalfMessagesOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#checkDue());
  }

  /** Half messages that wait. */
  get count(): number {
    return this.#pending.size;
  }

  /**
   * The record that is stored for a message of a transaction that has not ended.
   * @throws RequestRefused MESSAGE_ILLEGAL without a producer group; SYSTEM_BUSY when too many wait.
   */
  toHalf(draft: MessageDraft): MessageDraft {
    const { halfCountMax = halfCountMaxDefault } = this.#options;
    if (this.count < halfCountMax) return halfDraft(draft);
    throw new RequestRefused(ResponseCode.SYSTEM_BUSY, `${halfCountMax} transactions wait for their end: send later`);
  }

  /** Learns from a record of the log which half messages wait, and which do no more. */
  onEntry(entry: LogEntry): void {
    const { replaces, topic, commitLogOffset, storeTimestampMs } = entry;
    if (replaces !== 0) this.#forget(replaces, endedBy(topic));
    const message = topic === SystemTopic.HALF ? messageOf(entry.record) : undefined;
    if (message === undefined) return;
    const half: Half = {
      producerGroup: message.properties.get(MessageProperty.PGROUP) ?? '',
      expiresMs: storeTimestampMs + this.#options.retentionMs,
      nextCheckMs: 0,
      checkCount: 0,
      ending: undefined,
    };
    this.#pending.set(commitLogOffset, half);
    this.#schedule(commitLogOffset, half, storeTimestampMs + immunityMsOf(message, this.#options.transactionTimeoutMs));
  }

  /** Begins to ask producers. */
  start(parts: HalfMessagesParts): void {
    this.#parts = parts;
    this.#alarm.set(this.#checks.firstMs);
  }

  /** The lowest commit log offset that is still needed; Infinity where none is. */
  oldestOffset(): number {
    const [oldest = Number.POSITIVE_INFINITY] = this.#pending.keys();
    return oldest;
  }

  /** A producer of the group is there: it is asked what nobody could be asked before. */
  producerArrived(producerGroup: string): void {
    const unasked = this.#unasked.get(producerGroup);
    if (unasked === undefined) return;
    this.#unasked.delete(producerGroup);
    for (const commitLogOffset of unasked) {
      const half = this.#pending.get(commitLogOffset);
      if (half !== undefined) this.#schedule(commitLogOffset, half, this.#options.clock.now());
    }
  }

  /**
   * Carries out what a producer says, once; an end that is known already changes nothing. Resolves when it is stored.
   * @throws RequestRefused SYSTEM_ERROR where there is no such half message of the group, INVALID_PARAMETER on an outcome that is none,
   * ILLEGAL_OPERATION where it ended otherwise; StoreError.
   */
  async end(end: TransactionEnd): Promise<void> {
    const { commitLogOffset, outcome } = end;
    const wanted = endedByOutcome(outcome);
    const parts = this.#parts;
    if (parts === undefined) throw new StoreError('closed', 'the engine ends');
    const message = requireHalf(parts.store, end);
    if (wanted === undefined) return;
    const half = this.#pending.get(commitLogOffset);
    const known = half?.ending?.ended ?? this.#ended.get(commitLogOffset);
    if (known === wanted) return half?.ending?.stored;
    if (half === undefined || known !== undefined) {
      throw new RequestRefused(
        ResponseCode.ILLEGAL_OPERATION,
        `the transaction cannot be ${wanted}: it was ${known ?? 'ended long ago'}`,
      );
    }
    await this.#end(half, wanted, () => storeEnd(parts, message, wanted));
  }

  close(): void {
    this.#parts = undefined;
    this.#alarm.cancel();
  }

  /** The record tells `onEntry`, before this resolves. Where it fails, the half message waits on. */
  async #end(half: Half, ended: Ended, store: () => Promise<unknown>): Promise<void> {
    const stored = store().then(() => {});
    half.ending = { ended, stored };
    try {
      await stored;
    } catch (error) {
      half.ending = undefined;
      throw error;
    }
  }

  #forget(commitLogOffset: number, ended: Ended): void {
    const half = this.#pending.get(commitLogOffset);
    if (half === undefined) return;
    this.#pending.delete(commitLogOffset);
    const unasked = this.#unasked.get(half.producerGroup);
    unasked?.delete(commitLogOffset);
    if (unasked?.size === 0) this.#unasked.delete(half.producerGroup);
    this.#ended.set(commitLogOffset, ended);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > endedCountMax && oldest !== undefined) this.#ended.delete(oldest);
  }

  #schedule(commitLogOffset: number, half: Half, timeMs: number): void {
    half.nextCheckMs = Math.min(timeMs, half.expiresMs);
    this.#checks.push(half.nextCheckMs, commitLogOffset);
    if (this.#checks.count > 2 * this.count + staleCountMax) {
      this.#checks.retain((offset, checkMs) => this.#pending.get(offset)?.nextCheckMs === checkMs);
    }
    if (this.#parts !== undefined) this.#alarm.set(half.nextCheckMs);
  }

  #checkDue(): void {
    const parts = this.#parts;
    if (parts === undefined) return;
    const nowMs = this.#options.clock.now();
    for (let count = 0; count < checksPerTurnMax && this.#checks.firstMs <= nowMs; count += 1) {
      const checkMs = this.#checks.firstMs;
      const commitLogOffset = this.#checks.pop() ?? 0;
      const half = this.#pending.get(commitLogOffset);
      if (half?.nextCheckMs === checkMs) this.#check(parts, commitLogOffset, half);
    }
    this.#alarm.set(this.#checks.firstMs);
  }

  #check(parts: HalfMessagesParts, commitLogOffset: number, half: Half): void {
    const { clock, transactionCheckIntervalMs, transactionCheckMax } = this.#options;
    const nowMs = clock.now();
    const isOver = half.checkCount >= transactionCheckMax || nowMs >= half.expiresMs;
    if (half.ending === undefined) {
      const message = readMessage(parts.store, commitLogOffset);
      if (message === undefined) {
        this.#pending.delete(commitLogOffset);
        this.#options.log?.error({ commitLogOffset }, 'a half message is damaged: its transaction cannot end');
        return;
      }
      if (isOver) void this.#giveUp(parts, half, message);
      else this.#ask(parts, half, message);
    }
    half.nextCheckMs = nowMs + transactionCheckIntervalMs;
    this.#checks.push(half.nextCheckMs, commitLogOffset);
  }

  #ask(parts: HalfMessagesParts, half: Half, message: StoredMessage): void {
    const { producerGroup } = half;
    const commitLogOffset = Number(message.commitLogOffset);
    const checkCount = half.checkCount + 1;
    const offsetMessageId = parts.offsetMessageId(commitLogOffset);
    const content = checkContent(message, { offsetMessageId, brokerName: this.#options.brokerName, checkCount });
    if (sendTo(parts.clients.producerConnection(producerGroup), content)) {
      half.checkCount = checkCount;
      return;
    }
    const unasked = this.#unasked.get(producerGroup) ?? new Set();
    this.#unasked.set(producerGroup, unasked.add(commitLogOffset));
  }

  /** Never fails: it is tried again when its next check is due. */
  async #giveUp({ store }: HalfMessagesParts, half: Half, message: StoredMessage): Promise<void> {
    const { log } = this.#options;
    const facts = { commitLogOffset: Number(message.commitLogOffset), producerGroup: half.producerGroup };
    try {
      await this.#end(half, 'given up', () => store.append([givenUpDraft(message)]));
      log?.warn(facts, `nobody says how a transaction ended: its half message is in ${SystemTopic.HALF_GIVEN_UP} now`);
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'refused') this.#pending.delete(facts.commitLogOffset);
      log?.warn({ ...facts, err: error }, `a half message could not be moved to ${SystemTopic.HALF_GIVEN_UP}`);
    }
  }
}

async function storeEnd(parts: HalfMessagesParts, half: StoredMessage, ended: Ended): Promise<unknown> {
  if (ended === 'rolled back') return parts.store.append([rollbackDraft(half)]);
  const draft = committedDraft(half);
  if (draft === undefined) throw new RequestRefused(ResponseCode.SYSTEM_ERROR, 'the half message is for no topic');
  return parts.put([draft]);
}

/** False: nobody got it. */
function sendTo(
  connection: ReturnType<HalfMessagesParts['clients']['producerConnection']>,
  content: CommandContent,
): boolean {
  try {
    connection?.sendOneWay(content);
    return connection !== undefined;
  } catch (error) {
    if (error instanceof RemotingError) return false;
    throw error;
  }
}
