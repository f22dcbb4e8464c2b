import type { ConsumerHandlers } from '../receive/consumers.ts';
import type { ReceiveHandlers } from '../receive/receive.ts';
import type { ProducerHandlers } from '../send/producers.ts';
import type { SendHandlers } from '../send/send.ts';
import type { ListingHandlers } from '../session/listings.ts';
import type { HealthHandlers } from './health.ts';
import type { ReflectionHandlers } from './reflection.ts';

/** The published API as plain functions of a request and a call, whichever way calls come in. */
export interface Service extends ProducerHandlers, ConsumerHandlers, ListingHandlers, SendHandlers, ReceiveHandlers {
  /** grpc.health.v1. */
  readonly health: HealthHandlers;
  /** grpc.reflection. */
  readonly reflection: ReflectionHandlers;
  healthCheck(): Promise<{ readonly healthy: boolean; readonly message: string }>;
}
