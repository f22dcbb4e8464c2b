import { type Cancellation, Ending } from '../basics/ending.ts';
import { ErrorCode } from '../http2/errors.ts';
import type { Http2Stream } from '../http2/stream.ts';
import { GrpcError, StatusCode } from './status.ts';
import { timeoutMsMax } from './timeout.ts';

/** How long a handler has after the deadline to say itself how the call ends, in ms. */
const expiredGraceMs = 100;
/** Deadlines are kept to this part of themselves: few lengths of timers are cheap, and callers keep their own time. */
const deadlineSteps = 64;

/** What a handler knows of its call. */
export interface GrpcCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Address and port of the caller, as `ip:port`. */
  readonly peer: string;
  /** What the caller left of its deadline when the call came, in ms; undefined where it set none. */
  readonly timeoutMs: number | undefined;
  /** Aborted when the caller has gone or its deadline has passed. */
  readonly end: Cancellation;
  /** Whether the caller's deadline has passed. */
  readonly hasTimedOut: boolean;
  /** A field of the request, whose name is in lower case; several of one name are joined with commas. */
  header(name: string): string | undefined;
  /** Lets the handler of a stream of replies see how its caller reads them. */
  watchReplies(watcher: ReplyWatcher): void;
  /**
   * Ends the call as RESOURCE_EXHAUSTED at once, though a reply is still on its way: nothing can be said behind one that nobody takes. The
   * handler is told as if its caller had gone.
   */
  cut(): void;
}

/** Hears of the replies of a stream. */
export interface ReplyWatcher {
  /** The last reply has become bytes, and is needed no longer. */
  encoded(): void;
  /** The caller has taken some of them. */
  progressed(): void;
}

/** One call, as the gRPC layer keeps it. */
export class CallContext implements GrpcCall {
  readonly end = new Ending();
  timeoutMs: number | undefined;
  readonly #stream: Http2Stream;
  /** Called when the handler has cut the call. */
  onCut: () => void = ignore;
  /** Called when the call has ended, however; it may be called again. */
  onEnd: () => void = ignore;
  #hasTimedOut = false;
  #timer: NodeJS.Timeout | undefined;
  #watcher: ReplyWatcher | undefined;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
  }

  get path(): string {
    return this.#stream.path;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  get hasTimedOut(): boolean {
    return this.#hasTimedOut;
  }

  header(name: string): string | undefined {
    let joined: string | undefined;
    for (const field of this.#stream.headers)
      if (field.name === name) joined = joined === undefined ? field.value : `${joined},${field.value}`;
    return joined;
  }

  watchReplies(watcher: ReplyWatcher): void {
    this.#watcher = watcher;
  }

  /** A reply has become bytes. */
  encoded(): void {
    this.#watcher?.encoded();
  }

  /** The caller has taken what it was sent. */
  progressed(): void {
    this.#watcher?.progressed();
  }

  cut(): void {
    if (!this.#stream.isOpen) return;
    this.#stream.reset(ErrorCode.ENHANCE_YOUR_CALM);
    this.onCut();
  }

  /** @param expired called where the handler lets the deadline pass and says nothing. */
  startDeadline(expired: (error: GrpcError) => void): void {
    if (this.timeoutMs === undefined) return;
    this.#timer = setTimeout(() => {
      const error = deadlineExceeded();
      this.#hasTimedOut = true;
      this.#timer = setTimeout(expired, expiredGraceMs, error);
      this.end.abort();
    }, roundedUp(this.timeoutMs));
  }

  /** The call has ended: no deadline is kept any more. */
  finish(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.onEnd();
  }
}

/** What a call ends with that did not end in its caller's time. */
export function deadlineExceeded(): GrpcError {
  return new GrpcError(StatusCode.DEADLINE_EXCEEDED, 'the deadline of the call has passed');
}

/** Why a request cannot be had of a call whose stream has ended. */
export function cancelled(): GrpcError {
  return new GrpcError(StatusCode.CANCELLED, 'the caller has cancelled the call, or its connection was lost');
}

/** Timers of one length share a list. */
function roundedUp(timeoutMs: number): number {
  const step = Math.max(1, 2 ** Math.floor(Math.log2(Math.max(timeoutMs, 1)) - Math.log2(deadlineSteps)));
  return Math.min(Math.ceil(timeoutMs / step) * step, timeoutMsMax);
}

function ignore(): void {}
