import type { Http2Options } from './options.ts';

/** What a look at a connection shows. */
export interface ConnectionFacts {
  /** Whether the peer has said its SETTINGS and acknowledged ours. */
  readonly isSettled: boolean;
  /** Bytes that came and went: any is a sign of life. */
  readonly movedBytes: number;
  readonly openCount: number;
  /** The last stream that was opened; 0: none was. */
  readonly lastStreamId: number;
  /** Number of the frame that has begun to come and has not ended; undefined: none has. */
  readonly openFrame: number | undefined;
  /** Whether that one is DATA. */
  readonly isDataOpen: boolean;
  /** Stream of the header block that has begun and not ended. */
  readonly openBlock: number | undefined;
}

/** What is to be done about a connection; `drain` is said once. */
export type Verdict = 'nothing' | 'ping' | 'drain' | 'destroy' | 'settings are late' | 'a frame is late';

/** Connections that were opened together, as after a restart, do not end together. */
const ageJitter = 0.1;

/** Since when something has been the same. */
class Standstill {
  #what: unknown;
  #sinceMs = 0;

  /** @returns For how long it has been this, in ms. */
  seen(what: unknown, nowMs: number): number {
    if (what !== this.#what) {
      this.#what = what;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs;
  }
}

/** Says what time makes of one connection: is the peer alive, does it keep time limits, is the connection of use, is it old. */
export class Watch {
  readonly #options: Http2Options;
  readonly #openedMs: number;
  readonly #ageMsMax: number;
  /** When an answer to our last PING came, or life began. */
  #lastPingMs: number;
  #isPinged = false;
  readonly #silence = new Standstill();
  readonly #frame = new Standstill();
  readonly #block = new Standstill();
  readonly #idleness = new Standstill();
  #firstUsedMs: number | undefined;
  #isDrained = false;

  constructor(options: Http2Options, nowMs: number) {
    this.#options = options;
    this.#openedMs = nowMs;
    this.#lastPingMs = nowMs;
    this.#ageMsMax = options.ageMsMax * (1 + ageJitter * (2 * Math.random() - 1));
  }

  /** The peer answered our PING. */
  answered(): void {
    this.#isPinged = false;
  }

  /** To be called about once a second. */
  look(facts: ConnectionFacts, nowMs: number): Verdict {
    const { settingsMs, keepaliveTimeoutMs, keepaliveIntervalMs } = this.#options;
    if (!facts.isSettled && nowMs - this.#openedMs >= settingsMs) return 'settings are late';
    if (this.#isFrameLate(facts, nowMs)) return 'a frame is late';
    const silentMs = this.#silence.seen(this.#isPinged ? facts.movedBytes : undefined, nowMs);
    if (this.#isPinged && silentMs >= keepaliveTimeoutMs) return 'destroy';
    if (!this.#isDrained && (this.#isAged(facts, nowMs) || this.#isIdle(facts, nowMs))) {
      this.#isDrained = true;
      return 'drain';
    }
    if (this.#isPinged || nowMs - this.#lastPingMs < keepaliveIntervalMs) return 'nothing';
    this.#lastPingMs = nowMs;
    this.#isPinged = true;
    return 'ping';
  }

  #isFrameLate({ openFrame, openBlock, isDataOpen }: ConnectionFacts, nowMs: number): boolean {
    const { headersMs, readTimeoutMs } = this.#options;
    const blockMs = this.#block.seen(openBlock, nowMs);
    const frameMs = this.#frame.seen(openFrame, nowMs);
    if (openBlock !== undefined && blockMs >= headersMs) return true;
    return openFrame !== undefined && frameMs >= (isDataOpen ? readTimeoutMs : headersMs);
  }

  /** Any stream that was there, however shortly, was a use. */
  #isIdle({ openCount, lastStreamId }: ConnectionFacts, nowMs: number): boolean {
    const use = openCount > 0 ? nowMs : lastStreamId;
    return this.#idleness.seen(use, nowMs) >= this.#options.idleMs;
  }

  /** From its first stream on: clients begin a call anew once only, so the connection that they then open must take it. */
  #isAged({ lastStreamId }: ConnectionFacts, nowMs: number): boolean {
    if (lastStreamId > 0) this.#firstUsedMs ??= nowMs;
    return this.#ageMsMax > 0 && this.#firstUsedMs !== undefined && nowMs - this.#firstUsedMs >= this.#ageMsMax;
  }
}
