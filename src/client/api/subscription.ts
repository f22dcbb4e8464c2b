import type { Deadline } from '../../remoting/deadline.ts';
import type { ClusterClient } from '../client.ts';
import type { ConsumeFrom as ConsumeFromQueue } from '../consume-from.ts';
import type { Consumer, ConsumerOptions } from '../consumer.ts';
import { type MessageFilter, parseTagFilter, sqlFilter } from '../message-filter.ts';
import type { ConsumeMode } from '../options.ts';
import { changedDurationMsMax } from '../pop/settler.ts';
import { checkNumber } from './call.ts';
import { invalidArgument } from './rocketmq-error.ts';

/**
 * Which messages of a topic are wanted: by tag, `created || paid`, where `*` means all; or by a condition on their properties,
 * `{ sql: "price > 10 AND region = 'north'" }`, which brokers must allow (`enablePropertyFilter`). At most 4,096 characters.
 */
export type Filter = string | { readonly sql: string };

/**
 * Where a group begins that is new to a topic: at the first message that there is, behind the last one, or at the first that was stored
 * at or after a time.
 */
export type ConsumeFrom = 'first' | 'last' | Date;

/** What push and simple consumers have in common. Times are in ms. */
export interface ReceiveOptions {
  /** Consumer group: its members share the messages. 1 to 120 letters, digits and `% | _ -`, the namespace included. */
  readonly group: string;
  /** Default: `last`. */
  readonly consumeFrom?: ConsumeFrom;
  /**
   * How messages are received: `pop`, of which brokers 5.x keep account, so that any member can have any message; `pull`, which needs no
   * 5.x and costs brokers a seventh, and shares whole queues out; `auto`: pop where all brokers of the topic know it. Default: `auto`.
   */
  readonly consumeMode?: ConsumeMode;
}

/** How long brokers hold a request while there is nothing, in ms. */
const pollDurationMs = 5_000;

/** Shortest, in ms: answers must have the time to come back. */
const invisibleDurationMsMin = 1_000;

/** @throws RocketMQError `INVALID_ARGUMENT`. */
export function checkInvisibleDuration(name: string, durationMs: number): void {
  checkNumber(name, durationMs, { min: invisibleDurationMsMin, max: changedDurationMsMax });
}

/** @throws ClientError `invalid`; RocketMQError `INVALID_ARGUMENT`. */
export function parseFilter(filter: Filter): MessageFilter {
  if (typeof filter === 'string') return parseTagFilter(filter);
  if (typeof filter?.sql === 'string') return sqlFilter(filter.sql);
  throw invalidArgument("the filter is neither text, such as 'created || paid', nor { sql: 'a condition' }");
}

/** @throws RocketMQError `INVALID_ARGUMENT`. */
export function checkConsumeFrom(from: ConsumeFrom = 'last'): ConsumeFromQueue {
  if (from === 'first' || from === 'last') return { kind: from };
  if (from instanceof Date && from.getTime() >= 0) return { kind: 'timestamp', timestampMs: from.getTime() };
  throw invalidArgument(`consumeFrom is ${String(from)}; it is 'first', 'last' or a Date`);
}

/** What one topic is received with: names are whole. */
export type SubscriptionOptions = Omit<ConsumerOptions, 'pollDurationMs'> & { readonly mode: ConsumeMode | undefined };

/** A consumer of one topic that is open. @throws whatever `Consumer.open` does. */
export async function openConsumer(
  cluster: ClusterClient,
  options: SubscriptionOptions,
  deadline: Deadline,
): Promise<Consumer> {
  // Not a copy: the invisible duration may be another for each request.
  const consumer = cluster.consumer(Object.assign(options, { pollDurationMs }), options.mode);
  try {
    await consumer.open(deadline);
    return consumer;
  } catch (error) {
    await consumer.close();
    throw error;
  }
}
