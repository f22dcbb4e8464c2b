import type { ConsumerHandlers } from './consumers.ts';
import type { HealthHandlers } from './health.ts';
import type { ListingHandlers } from './listings.ts';
import type { ProducerHandlers } from './producers.ts';
import type { ReceiveHandlers } from './receive.ts';
import type { ReflectionHandlers } from './reflection.ts';
import type { SendHandlers } from './send.ts';

/** The published API as plain functions of a request and a call, whichever way calls come in. */
export interface Service extends ProducerHandlers, ConsumerHandlers, ListingHandlers, SendHandlers, ReceiveHandlers {
  /** grpc.health.v1. */
  readonly health: HealthHandlers;
  /** grpc.reflection. */
  readonly reflection: ReflectionHandlers;
  healthCheck(): Promise<{ readonly healthy: boolean; readonly message: string }>;
}
