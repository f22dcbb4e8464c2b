/** What the suites about the SDK have in common: one client after the other, by one way, at one broker. */
import { expect } from 'vitest';
import type { Consumer, ConsumerOptions } from '../../../src/sdk/consumer.ts';
import type { MQClient } from '../../../src/sdk/mq-client.ts';
import type { MQConfig } from '../../../src/sdk/mq-config.ts';
import { MQError } from '../../../src/sdk/mq-error.ts';
import type { Producer, ProducerOptions } from '../../../src/sdk/producer.ts';
import type { Target } from '../target.ts';

/** How the SDK reaches RocketMQ: its behaviour is the same. */
export type Way = 'proxy' | 'direct';

export interface StartedSdk {
  readonly way: Way;
  /** Where it runs; there once tests run. */
  cluster(): Target;
  /** Closed when the suite is over. */
  clientOf(changes?: Partial<MQConfig>): MQClient;
  /** A topic of its own, of four queues, with a producer and a consumer. */
  open(name: string, options?: OpenOptions): Promise<OpenTopic>;
}

export interface OpenOptions {
  readonly consumer?: ConsumerOptions;
  readonly producer?: ProducerOptions;
  readonly queueCount?: number;
}

export interface OpenTopic {
  readonly client: MQClient;
  readonly topic: string;
  readonly consumer: Consumer;
  readonly producer: Producer;
}

/** What they fail with; each must fail, by an MQError. */
export async function failuresOf(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(calls);
  const failures = settled.map((one) => (one.status === 'rejected' ? one.reason : one));
  for (const failure of failures) expect(failure).toBeInstanceOf(MQError);
  return failures;
}
