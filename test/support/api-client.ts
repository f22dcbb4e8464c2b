import { onTestFinished } from 'vitest';
import type { RocketMQClientOptions } from '../../src/client/api/client-options.ts';
import { RocketMQClient } from '../../src/client/api/rocketmq-client.ts';
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../src/testing/test-broker.ts';

/** An engine and a public client of it; both end with the test. */
export async function startApi(
  changes: Partial<RocketMQClientOptions> = {},
  broker: TestBrokerOptions = {},
): Promise<{ readonly broker: TestBroker; readonly client: RocketMQClient }> {
  const started = await startTestBroker(broker);
  onTestFinished(() => started.close());
  const client = new RocketMQClient({ nameServers: started.nameServer, ...changes });
  onTestFinished(() => client.close());
  return { broker: started, client };
}

/** Waits, without guessing a time, for things that come one by one. */
export class Inbox<T> {
  readonly items: T[] = [];
  readonly #waiting = new Set<() => void>();

  add(item: T): void {
    this.items.push(item);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves with all of them once there are so many. */
  async count(count: number): Promise<readonly T[]> {
    while (this.items.length < count) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    return this.items;
  }
}
