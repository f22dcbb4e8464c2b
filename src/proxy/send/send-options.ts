import type { ConnectError } from '@connectrpc/connect';
import type { Cancellation } from '../../basics/ending.ts';
import type { Log } from '../../log.ts';
import type { Engines } from '../engines.ts';
import type { Sessions } from '../session/sessions.ts';
import type { ProducerHandles } from './producer-handles.ts';

/** What all handlers of sending work with. */
export interface SendParts {
  readonly engines: Engines;
  readonly sessions: Sessions;
  readonly handles: ProducerHandles;
}

export interface SendOptions {
  /** Longest time of one send, in ms. */
  readonly writeTimeoutMs: number;
  /** Aborted when the proxy shuts down: streams end with UNAVAILABLE. */
  readonly draining: Cancellation;
  readonly log: Log;
  /** Called for messages that were stored. */
  readonly onSent: (count: number) => void;
  /** Called with the failures of one request that say nothing of the others in it. */
  readonly onFailures: (rpc: string, failures: readonly ConnectError[]) => void;
}
