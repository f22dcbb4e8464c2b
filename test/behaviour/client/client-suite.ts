/** What all parts of the client's behaviour suite share: one target for all of them, its clients, and short words. */
import { vi } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import type { ConsumeMode } from '../../../src/client/options.ts';
import { adminKeys } from '../../rocketmq/access-control.ts';
import { quickRedelivery } from '../../rocketmq/cluster.ts';
import { outgoing, Reader, type ReaderOptions, RealClients, soon } from '../../support/real-client.ts';
import { isBefore5, startTarget, type Target, type Variant } from '../target.ts';

const QUERY_CONSUMER_OFFSET = 14;
const GET_MAX_OFFSET = 30;
const UPDATE_AND_CREATE_SUBSCRIPTION_GROUP = 200;

export const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** For `vi.waitFor`: brokers do many things a little after they answered. */
export const withinMinute = { timeout: 60_000, interval: 100 } as const;

/** The target of one variant, started once for the whole suite, and clients of it. Topics and groups belong to one test each. */
export class ClientSuite {
  readonly variant: Variant;
  /** Ways to receive that are judged here: as the client chooses, and by pull where that is not what it chooses. */
  readonly ways: readonly ConsumeMode[];
  #target: Target | undefined;
  #clients: RealClients | undefined;
  #client: ClusterClient | undefined;

  constructor(variant: Variant) {
    this.variant = variant;
    const onlyOne = variant.accessControl || isBefore5(variant, 'noPop');
    this.ways = onlyOne ? ['auto'] : ['auto', 'pull'];
  }

  async start(): Promise<void> {
    // RocketMQ 5 has two ways to remember what it popped: each of the two variants has one.
    const pops = this.variant.accessControl ? quickRedelivery : {};
    this.#target = await startTarget({
      ...this.variant,
      transactionTimeoutMs: 1_000,
      transactionCheckIntervalMs: 500,
      durable: true,
      apache: { enablePropertyFilter: true, recallMessageEnable: true, ...pops },
    });
    this.#clients = new RealClients(this.#target.nameServer, this.#target.credentials);
    this.#client = this.#clients.create();
  }

  async stop(): Promise<void> {
    await this.#clients?.close();
    await this.#target?.stop();
  }

  get target(): Target {
    return this.#target ?? notStarted();
  }

  get clients(): RealClients {
    return this.#clients ?? notStarted();
  }

  /** The client of tests that need only one. */
  get client(): ClusterClient {
    return this.#client ?? notStarted();
  }

  /** One that may also administrate. */
  admin(): ClusterClient {
    return this.clients.create(this.variant.accessControl ? { credentials: adminKeys } : {});
  }

  /** Makes a topic. @returns its name. */
  async topic(name: string, queueCount = 4): Promise<string> {
    await this.target.createTopic(name, { queueCount });
    return name;
  }

  /** Makes a topic, and a reader of it for a group of its own. */
  async reader(topic: string, queueCount: number, options: ReaderOptions = {}): Promise<Reader> {
    await this.topic(topic, queueCount);
    return this.join(topic, options);
  }

  /** One more reader of the group that `reader` reads for. */
  join(topic: string, options: ReaderOptions = {}, client = this.client): Promise<Reader> {
    return Reader.open(client, { group: groupOf(topic), topic }, { log: this.clients.log, ...options });
  }

  /** Sends messages at once, in no order. */
  async send(topic: string, ...bodies: readonly string[]): Promise<void> {
    await Promise.all(bodies.map((body) => this.client.producer.send(outgoing(topic, body), soon())));
  }

  /** Sends messages one after the other. */
  async sendInTurn(topic: string, ...bodies: readonly string[]): Promise<void> {
    for (const body of bodies) await this.client.producer.send(outgoing(topic, body), soon());
  }

  /** Makes a group, or changes it, so that its messages come again at most so often. */
  async limitRetries(group: string, retryMaxTimes: number): Promise<void> {
    const settings = { groupName: group, retryMaxTimes, retryQueueNums: 1, brokerId: 0, consumeEnable: true };
    const body = Buffer.from(JSON.stringify(settings));
    const { code, remark } = await this.target.brokerCall(UPDATE_AND_CREATE_SUBSCRIPTION_GROUP, {}, body);
    if (code !== 0) throw new Error(`the broker made no group: ${remark}`);
  }

  /** How many messages a queue has. */
  storedCount(topic: string, queueId = 0): Promise<number> {
    return this.#offset(GET_MAX_OFFSET, { topic, queueId: String(queueId) });
  }

  /** How far a group is with a queue; NaN where it has not begun. */
  committed(topic: string, queueId = 0, group = groupOf(topic)): Promise<number> {
    return this.#offset(QUERY_CONSUMER_OFFSET, { consumerGroup: group, topic, queueId: String(queueId) });
  }

  /** Waits until the dead letter queue of a group has so many messages. */
  async buried(group: string, count: number): Promise<void> {
    const isThere = async (): Promise<boolean> => (await this.storedCount(`%DLQ%${group}`)) >= count;
    await vi.waitUntil(isThere, { timeout: 30_000, interval: 100 });
  }

  async #offset(code: number, fields: Readonly<Record<string, string>>): Promise<number> {
    const { extFields } = await this.target.brokerCall(code, fields);
    return Number(extFields['offset'] ?? Number.NaN);
  }
}

export function groupOf(topic: string): string {
  return `g-${topic}`;
}

function notStarted(): never {
  throw new Error('the suite has not been started');
}
