import { onTestFinished } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import type { ConsumerOptions } from '../../src/client/consumer.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import type { PullConsumer } from '../../src/client/pull/pull-consumer.ts';
import { connectEngine, type EngineClient, startTestEngine } from './engine-client.ts';
import { outgoing, RealClients, soon } from './real-client.ts';

/** A client that receives by pull from an engine of its own. */
export interface PullClient {
  readonly client: ClusterClient;
  /** A connection to the broker. */
  readonly wire: EngineClient;
  readonly log: RealClients['log'];
  /** Sends messages one after the other. */
  send(topic: string, ...bodies: readonly string[]): Promise<void>;
  /** A consumer of all messages, open. */
  open(group: string, topic: string, changes?: Partial<ConsumerOptions>): Promise<PullConsumer>;
}

/** Starts both; they end with the test. */
export async function startPullClient(options: Parameters<RealClients['create']>[0] = {}): Promise<PullClient> {
  const engine = await startTestEngine();
  const clients = new RealClients(engine.nameServer);
  onTestFinished(() => clients.close());
  const client = clients.create(options);
  return {
    client,
    wire: await connectEngine(engine.brokerAddress),
    log: clients.log,
    async send(topic, ...bodies) {
      for (const body of bodies) await client.producer.send(outgoing(topic, body), soon());
    },
    async open(group, topic, changes = {}) {
      const consumer = client.pullConsumer({
        subscriber: { group, topic },
        filter: parseTagFilter('*'),
        invisibleDurationMs: 30_000,
        renewalDurationMs: 0,
        pollDurationMs: 5_000,
        ...changes,
      });
      await consumer.open(soon());
      return consumer;
    },
  };
}
