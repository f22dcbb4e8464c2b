import { setMaxListeners } from 'node:events';
import type { Cancellation } from '../../remoting/deadline.ts';

/** When a stream must end: with the first of several signals. */
export interface StreamEnding {
  readonly signal: AbortSignal;
  /** To be called once the stream has ended, which ends what still waits: some of those signals live as long as the proxy does. */
  release(): void;
}

export function streamEnding(signals: readonly Cancellation[]): StreamEnding {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  for (const signal of signals) {
    // Any number of streams may watch it. Each takes its listener back, so there is no leak for Node to warn of.
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  }
  return {
    signal: ending.signal,
    release: () => {
      for (const signal of signals) signal.removeEventListener('abort', end);
      end();
    },
  };
}
