import type { Cancellation } from '../../basics/ending.ts';
import { Deadline } from '../../remoting/deadline.ts';
import type { Caller } from '../access/caller.ts';

/** Most bytes of one request or reply in protobuf: a message of the largest size and what surrounds it. */
export const rpcBytesMax = 5_242_880;

/** Longest time in which CreateProducer and CreateConsumer answer, in ms. */
export const createTimeoutMs = 14_000;

/** What a handler knows of the call that it serves, however the call arrived. */
export interface Call {
  /** Aborted when the caller has gone or its deadline has passed. */
  readonly end: Cancellation;
  /** What the caller left of its deadline, in ms; undefined where it set none. */
  readonly timeoutMs: number | undefined;
  /** Who makes it. */
  readonly caller: Caller;
  /**
   * Counts a request of a stream as a call of its own; to be called when it ends. Undefined where clients may make any number.
   * @throws ConnectError RESOURCE_EXHAUSTED, after a while.
   */
  readonly limitOne?: (() => Promise<() => void>) | undefined;
  /** How its caller reads the replies of a stream. Undefined where nobody can tell. */
  readonly reader?: RepliesReader | undefined;
}

/** What a handler knows of how its caller reads a stream of replies. */
export interface RepliesReader {
  /** Ends the call as RESOURCE_EXHAUSTED, though a reply is still on its way: nothing can be said behind one that nobody takes. */
  cut(): void;
  /**
   * @param onEncoded called when the last reply has become bytes, and is needed no longer.
   * @param onProgress called each time that the caller has taken some of them.
   */
  watch(onEncoded: () => void, onProgress: () => void): void;
}

/** The deadline of a call: the caller's, at most `longestMs`. */
export function deadlineOf(call: Call, longestMs: number): Deadline {
  return Deadline.after(Math.min(call.timeoutMs ?? longestMs, longestMs), call.end);
}
