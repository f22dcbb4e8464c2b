import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** Characters of all ids in memory; what they stand for takes about as much again. */
const idCharsMax = 33_554_432;
/** Ids that were ended one by one and are remembered; the oldest is forgotten first. */
const cleanedIdsMax = 65_536;
/** The same for clean-ups of many ids; one of the same kind takes the place of an earlier one. */
const cleanupsMax = 1_024;

export interface Registered {
  readonly createdAtMs: number;
}

interface Cleanup<T> {
  readonly atMs: number;
  readonly matches: (spec: T) => boolean;
}

interface Entry<T, S> {
  readonly spec: T;
  readonly session: S;
  usedAtMs: number;
}

/** An id in memory. */
export interface Known<T, S> {
  readonly id: string;
  readonly spec: T;
  readonly session: S;
  /** By the wall clock, ms since 1970. */
  readonly usedAtMs: number;
}

/** Some of the ids that match. */
export interface Newest<T, S> {
  readonly known: readonly Known<T, S>[];
  /** How many match in all. */
  readonly matchCount: number;
}

/**
 * The ids of one kind that this proxy has seen: what each stands for, when it was last used, and which were cleaned up. An id that
 * fell out of memory is read again from its text, so a limit here costs time and no session.
 */
export class Registry<T extends Registered, S> {
  readonly #idsMax: number;
  // A cache with sizes grows with use; one with a `max` takes all of its memory at once.
  readonly #entries: LRUCache<string, Entry<T, S>>;
  readonly #cleanedIds = new LRUCache<string, true>({ maxSize: cleanedIdsMax, sizeCalculation: () => 1 });
  readonly #cleanups = new LRUCache<string, Cleanup<T>>({ max: cleanupsMax });
  /** The wall clock, but never set back, and one further after each clean-up. */
  #clockMs = 0;

  /** @param dispose called with what is held for an id when the id is cleaned up or falls out of memory. */
  constructor(idsMax: number, dispose: (session: S) => void) {
    this.#idsMax = idsMax;
    this.#entries = new LRUCache({
      maxSize: idCharsMax,
      sizeCalculation: (_entry, id) => id.length,
      dispose: ({ session }) => dispose(session),
    });
  }

  /** A creation time that no earlier clean-up covers, and every later one does. */
  nextCreationTimeMs(): number {
    this.#clockMs = Math.max(Date.now(), this.#clockMs);
    return this.#clockMs;
  }

  /** Used within `durationMs`, or busy by its own account. */
  activeCount(durationMs: number, isBusy: (session: S) => boolean): number {
    const sinceMs = performance.now() - durationMs;
    let count = 0;
    for (const { usedAtMs, session } of this.#entries.values()) if (usedAtMs >= sinceMs || isBusy(session)) count += 1;
    return count;
  }

  /** What is held for an id; undefined when the id is not known here. Counts as a use. */
  find(id: string): S | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    entry.usedAtMs = performance.now();
    return entry.session;
  }

  add(id: string, spec: T, session: S): S {
    this.#entries.set(id, { spec, session, usedAtMs: performance.now() });
    if (this.#entries.size > this.#idsMax) this.#entries.pop();
    return session;
  }

  /**
   * The newest of the ids in memory that match, the newest first; of those of the same ms the one that was used last. Never orders many
   * more of them than are wanted: there may be so many that ordering them all would keep everybody waiting.
   */
  newest(matches: (spec: T) => boolean, countMax: number): Newest<T, S> {
    let [matchCount, sinceMs] = [0, 0];
    let kept: (readonly [string, Entry<T, S>])[] = [];
    for (const entry of this.#entries.entries()) {
      const { spec } = entry[1];
      if (!matches(spec)) continue;
      matchCount += 1;
      if (spec.createdAtMs < sinceMs) continue;
      kept.push(entry);
      if (kept.length < 2 * countMax) continue;
      kept = newestFirst(kept).slice(0, countMax);
      sinceMs = kept.at(-1)?.[1].spec.createdAtMs ?? 0;
    }
    const wallClockLeadMs = Date.now() - performance.now();
    const known = newestFirst(kept)
      .slice(0, countMax)
      .map(([id, { usedAtMs, ...entry }]) => ({ id, ...entry, usedAtMs: Math.round(usedAtMs + wallClockLeadMs) }));
    return { known, matchCount };
  }

  isCleanedUp(id: string, spec: T): boolean {
    if (this.#cleanedIds.has(digest(id))) return true;
    return [...this.#cleanups.values()].some(({ atMs, matches }) => spec.createdAtMs <= atMs && matches(spec));
  }

  /** Ends one id. */
  cleanUp(id: string): void {
    this.#cleanedIds.set(digest(id), true);
    this.#entries.delete(id);
  }

  /**
   * Ends every id made until now that matches, also those that are not in memory.
   * @param what names the clean-up, so that the same one again replaces it.
   * @returns how many of the ended ids are known here.
   */
  cleanUpAll(what: string, matches: (spec: T) => boolean): number {
    const atMs = this.nextCreationTimeMs();
    this.#clockMs += 1;
    this.#cleanups.set(what, { atMs, matches });
    const ended = [...this.#entries.entries()].filter(([, { spec }]) => matches(spec));
    for (const [id, { spec }] of ended) {
      // Made by an instance whose clock is ahead of ours.
      if (spec.createdAtMs > atMs) this.cleanUp(id);
      else this.#entries.delete(id);
    }
    return ended.length;
  }

  /** Calls `release` for what was not used for `durationMs`; the ids stay good. */
  releaseIdle(durationMs: number, release: (session: S) => void): void {
    const untilMs = performance.now() - durationMs;
    for (const { usedAtMs, session } of this.#entries.values()) if (usedAtMs < untilMs) release(session);
  }

  clear(): void {
    this.#entries.clear();
  }
}

function newestFirst<E extends readonly [string, { readonly spec: Registered }]>(entries: readonly E[]): E[] {
  return entries.toSorted(([, one], [, other]) => other.spec.createdAtMs - one.spec.createdAtMs);
}

/** What is kept of an id, however long it is. */
function digest(id: string): string {
  return createHash('sha256').update(id).digest('base64');
}
