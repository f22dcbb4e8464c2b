import type { MessageFilter } from '../message-filter.ts';
import type { DeliveryOwner } from './deliveries.ts';

/** A stream as its member sees it. */
export interface MemberStream extends DeliveryOwner {
  readonly topic: string;
  /** Whether it may be given more. */
  readonly hasRoom: boolean;
  /** How long a receiver has for its ack, in ms. */
  readonly durationMs: number;
  /** There may be a message, or a refusal. */
  ring(): void;
}

/** One topic that consumers here read for the group. */
export interface TopicState {
  readonly topic: string;
  readonly filter: MessageFilter;
  /** When it was subscribed to, in ms since 1970. */
  readonly version: number;
  readonly streams: Set<MemberStream>;
  consumerCount: number;
  /** Why its streams end. */
  refusal: unknown;
  /** Whether its queues are asked for. */
  isSubscribed: boolean;
}
