import { isSystemTopic } from '../remoting/topic-names.ts';
import type { Clock } from './clock.ts';
import { type Counted, RateCounter } from './rate-counter.ts';

/** Most topics, and most pairs of a topic and a group, that are counted; beyond, those counted for the longest time are forgotten. */
export const countedMax = 10_000;

/** Counts since the start, and at the last two midnights, in local time (Java `BrokerStats`). */
export interface Totals {
  readonly now: number;
  readonly todayMorning: number;
  readonly yesterdayMorning: number;
}

/** Means over the last 10 s, 60 s and 600 s (Java `StoreStatsService`). */
export type PerSecond = readonly [number, number, number];

/** What one counter of tools says (Java `BrokerStatsData`). */
export interface CountedTimes {
  readonly minute: Counted;
  readonly hour: Counted;
  readonly day: Counted;
}

/**
 * How many messages went in and out, for the tools that ask; since the start only. Topics of the system count for themselves and not
 * for the broker.
 */
export class Statistics {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #put = new BrokerCounter();
  readonly #got = new BrokerCounter();
  readonly #gotSome = new RecentCounter();
  readonly #gotNone = new RecentCounter();
  readonly #putTo = new Map<string, LongCounter>();
  readonly #gotFrom = new Map<string, LongCounter>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Messages of producers were stored. */
  put(topic: string, count: number): void {
    const nowMs = this.#clock.now();
    if (!isSystemTopic(topic)) this.#put.add(count, nowMs);
    counterOf(this.#putTo, topic).add(count, nowMs);
  }

  /** A group asked for messages and was given some, or 0. */
  got(group: string, topic: string, count: number): void {
    const nowMs = this.#clock.now();
    (count > 0 ? this.#gotSome : this.#gotNone).add(1, nowMs);
    if (count === 0) return;
    if (!isSystemTopic(topic)) this.#got.add(count, nowMs);
    counterOf(this.#gotFrom, `${topic}@${group}`).add(count, nowMs);
  }

  putTotals(): Totals {
    return this.#put.totals(this.#clock.now());
  }

  gotTotals(): Totals {
    return this.#got.totals(this.#clock.now());
  }

  putPerSecond(): PerSecond {
    return this.#put.recent.read(this.#clock.now());
  }

  gotPerSecond(): PerSecond {
    return this.#got.recent.read(this.#clock.now());
  }

  /** Requests for messages that were answered with some, and with none. */
  requestsPerSecond(): { readonly found: PerSecond; readonly missed: PerSecond } {
    const nowMs = this.#clock.now();
    return { found: this.#gotSome.read(nowMs), missed: this.#gotNone.read(nowMs) };
  }

  /** Undefined where nothing was counted. */
  putTo(topic: string): CountedTimes | undefined {
    return this.#putTo.get(topic)?.read(this.#clock.now());
  }

  /** Undefined where nothing was counted. */
  gotFrom(topic: string, group: string): CountedTimes | undefined {
    return this.#gotFrom.get(`${topic}@${group}`)?.read(this.#clock.now());
  }

  putToBroker(): CountedTimes {
    return this.#put.times.read(this.#clock.now());
  }

  gotFromBroker(): CountedTimes {
    return this.#got.times.read(this.#clock.now());
  }
}

function counterOf(counters: Map<string, LongCounter>, key: string): LongCounter {
  const found = counters.get(key);
  if (found !== undefined) return found;
  if (counters.size >= countedMax) {
    for (const [oldest] of counters) {
      counters.delete(oldest);
      break;
    }
  }
  const counter = new LongCounter();
  counters.set(key, counter);
  return counter;
}

class RecentCounter {
  readonly #windows = [new RateCounter(10, 1_000), new RateCounter(12, 5_000), new RateCounter(10, 60_000)] as const;

  add(count: number, nowMs: number): void {
    for (const window of this.#windows) window.add(count, nowMs);
  }

  read(nowMs: number): PerSecond {
    const [short, middle, long] = this.#windows;
    return [short.read(nowMs).perSecond, middle.read(nowMs).perSecond, long.read(nowMs).perSecond];
  }
}

class LongCounter {
  readonly #minute = new RateCounter(12, 5_000);
  readonly #hour = new RateCounter(12, 300_000);
  readonly #day = new RateCounter(24, 3_600_000);

  add(count: number, nowMs: number): void {
    this.#minute.add(count, nowMs);
    this.#hour.add(count, nowMs);
    this.#day.add(count, nowMs);
  }

  read(nowMs: number): CountedTimes {
    return { minute: this.#minute.read(nowMs), hour: this.#hour.read(nowMs), day: this.#day.read(nowMs) };
  }
}

class BrokerCounter {
  readonly recent = new RecentCounter();
  readonly times = new LongCounter();
  #total = 0;
  #todayMorning = 0;
  #yesterdayMorning = 0;
  #nextMidnightMs = Number.NEGATIVE_INFINITY;

  add(count: number, nowMs: number): void {
    this.#passMidnights(nowMs);
    this.#total += count;
    this.recent.add(count, nowMs);
    this.times.add(count, nowMs);
  }

  totals(nowMs: number): Totals {
    this.#passMidnights(nowMs);
    return { now: this.#total, todayMorning: this.#todayMorning, yesterdayMorning: this.#yesterdayMorning };
  }

  #passMidnights(nowMs: number): void {
    if (nowMs < this.#nextMidnightMs) return;
    const isNextDay = nowMs < midnightAfter(this.#nextMidnightMs);
    this.#yesterdayMorning = isNextDay ? this.#todayMorning : this.#total;
    this.#todayMorning = this.#total;
    this.#nextMidnightMs = midnightAfter(nowMs);
  }
}

/** NaN for -Infinity, where no midnight was passed yet: nothing is before that. */
function midnightAfter(timeMs: number): number {
  return new Date(timeMs).setHours(24, 0, 0, 0);
}
