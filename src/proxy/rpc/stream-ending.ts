import { setMaxListeners } from 'node:events';
import { type Cancellation, Ending } from '../../basics/ending.ts';

/** When a stream must end: with the first of several signals. */
export interface StreamEnding {
  readonly signal: Cancellation;
  /** Ends it. To be called at the latest when the stream has ended otherwise: some of those signals live as long as the proxy does. */
  readonly end: () => void;
}

export function streamEnding(signals: readonly Cancellation[]): StreamEnding {
  const signal = new Ending();
  const end = (): void => {
    for (const one of signals) one.removeEventListener('abort', end);
    signal.abort();
  };
  for (const one of signals) {
    // Any number of streams may watch it. Each takes its listener back, so there is no leak for Node to warn of.
    if (one instanceof EventTarget) setMaxListeners(0, one);
    one.addEventListener('abort', end);
    if (one.aborted) end();
  }
  return { signal, end };
}
