import type { ConsumerHandlers } from './consumers.ts';
import type { ProducerHandlers } from './producers.ts';
import type { ReceiveHandlers } from './receive.ts';
import type { SendHandlers } from './send.ts';

/** The published API as plain functions of a request and a call, whichever way calls come in. */
export interface Service extends ProducerHandlers, ConsumerHandlers, SendHandlers, ReceiveHandlers {
  healthCheck(): Promise<{ readonly healthy: boolean; readonly message: string }>;
}
