/** What the suites about sending have in common: one broker, and two instances of the proxy with one key in front of it. */
import { randomBytes } from 'node:crypto';
import { GrownClient } from '../../support/grown-client.ts';
import { ProxyClient } from '../../support/grpc-client.ts';
import type { TestedProxy } from '../../support/proxy-process.ts';
import { startProxy, startTarget, type Target, type Variant } from '../target.ts';

export interface StartedSending {
  readonly cluster: Target;
  /** Of both instances. */
  readonly settings: Readonly<Record<string, string>>;
  /** A client of the first instance. */
  readonly one: GrownClient;
  /** A client of the second. */
  readonly other: GrownClient;
  /** Of the first, knowing the published fields only. */
  readonly published: ProxyClient;
  /** A topic of one queue, unless told otherwise, with ids for it. */
  startTopic(topic: string, queueCount?: number): Promise<TopicIds>;
  stop(): Promise<void>;
}

export interface TopicIds {
  readonly producer_id: string;
  readonly consumer_id: string;
}

export async function startSending(variant: Variant): Promise<StartedSending> {
  const cluster = await startTarget({
    ...variant,
    transactionTimeoutMs: 1_000,
    transactionCheckIntervalMs: 1_000,
    apache: { recallMessageEnable: 'true' },
  });
  const settings = { ROCKETMQ_ENDPOINT: cluster.nameServer, PROXY_SEAL_KEY: randomBytes(32).toString('hex') };
  const proxies: readonly TestedProxy[] = await Promise.all([startProxy(settings), startProxy(settings)]);
  const [first = '', second = ''] = proxies.map(({ address }) => address);
  const [one, other, published] = [new GrownClient(first), new GrownClient(second), new ProxyClient(first)];
  return {
    cluster,
    settings,
    one,
    other,
    published,
    startTopic: async (topic, queueCount = 1) => {
      await cluster.createTopic(topic, { queueCount });
      return {
        producer_id: await published.createProducer(topic),
        consumer_id: await published.createConsumer(topic, topic),
      };
    },
    stop: async () => {
      for (const client of [one, other, published]) client.close();
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      await cluster.stop();
    },
  };
}
