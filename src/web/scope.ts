import { closedError, invalidRequest, MQError } from './errors.ts';

/** How long one call may take, and who may end it. */
export interface CallOptions {
  /** Milliseconds for the whole call. Default: that of the client. */
  readonly timeoutMs?: number;
  /** Ends the call when it is aborted. */
  readonly signal?: AbortSignal;
}

/** What bounds a call besides its own options. */
export interface Bounds {
  /** Where the call does not say it, in ms. */
  readonly timeoutMs: number;
  /** Tells when the client is closed, at once where it is already. @returns what takes that back. */
  onClose(end: () => void): () => void;
}

/** The time of one call. */
export interface Scope {
  /** Aborted with an `MQError` when the time is over, the caller gives up, or the client is closed. */
  readonly signal: AbortSignal;
  /** What is left, in ms; at least 1. */
  remainingMs(): number;
}

/** Longest that timers of browsers can wait, in ms: 24.8 days. */
const timerMsMax = 2_147_483_647;

/** Does some work within the time of a call; what the work does behind its end is nobody's business any more. @throws MQError */
export async function runInTime<T>(
  { timeoutMs, signal }: CallOptions,
  bounds: Bounds,
  work: (scope: Scope) => Promise<T>,
): Promise<T> {
  const durationMs = timeoutMs ?? bounds.timeoutMs;
  if (!(durationMs > 0)) throw invalidRequest(`timeoutMs is ${durationMs}: it must be more than 0`);
  const endMs = performance.now() + durationMs;
  const ending = new AbortController();
  const end = (error: MQError): void => ending.abort(error);
  const unlink = [
    bounds.onClose(() => end(closedError('the client'))),
    signal && onAbort(signal, () => end(cancelled(signal))),
  ];
  const timer = setTimeout(() => end(timeIsOver(durationMs)), Math.min(durationMs, timerMsMax));
  const ended = new Promise<never>((_, reject) => onAbort(ending.signal, () => reject(ending.signal.reason)));
  try {
    const remainingMs = (): number => Math.max(1, Math.ceil(endMs - performance.now()));
    // Not begun where the end has come before.
    return await Promise.race([ended, ending.signal.aborted ? ended : work({ signal: ending.signal, remainingMs })]);
  } finally {
    clearTimeout(timer);
    for (const off of unlink) off?.();
  }
}

/** The time of a call that several wait for: it lasts as long as one of them does. @param scopes at least one. */
export function joinScopes(scopes: readonly Scope[]): Scope {
  const ending = new AbortController();
  let leftCount = scopes.length;
  for (const { signal } of scopes)
    onAbort(signal, () => {
      leftCount -= 1;
      if (leftCount === 0) ending.abort(signal.reason);
    });
  const remainingMs = (): number => scopes.reduce((longest, scope) => Math.max(longest, scope.remainingMs()), 1);
  return { signal: ending.signal, remainingMs };
}

/** Calls back once, at once where the signal is aborted already. @returns what takes that back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  if (signal.aborted) callback();
  else signal.addEventListener('abort', callback, { once: true });
  return () => signal.removeEventListener('abort', callback);
}

/** Resolves when the time is over or the signal aborted, whichever comes first. */
export async function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let off: (() => void) | undefined;
  await new Promise<void>((resolve) => {
    timer = setTimeout(resolve, durationMs);
    off = onAbort(signal, resolve);
  });
  clearTimeout(timer);
  off?.();
}

function cancelled({ reason }: AbortSignal): MQError {
  return new MQError('CANCELLED', 'CANCELLED', 'the call was cancelled', { cause: reason });
}

function timeIsOver(durationMs: number): MQError {
  const text = `the call took longer than ${durationMs} ms: whether it was done is not known`;
  return new MQError('DEADLINE_EXCEEDED', 'DEADLINE', text);
}
