/** What brokers say of one consumer group. Nothing here may import from `src/`: this is the outside judge. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RocketMQCluster } from '../cluster.ts';

/** A broker of a cluster. */
export type WatchedBroker = Pick<RocketMQCluster, 'brokerName' | 'brokerCall' | 'nameServerCall'>;

/** The names of a group's queues (`queueName`), by the id of the client that has them. */
export type Shares = ReadonlyMap<string, readonly string[]>;

/** Offsets, by the names of queues. */
export type Offsets = ReadonlyMap<string, number>;

export interface Watched {
  /** By name. */
  readonly brokers: readonly WatchedBroker[];
  readonly topic: string;
  readonly group: string;
  /** Of each broker. */
  readonly queueCount: number;
}

const QUERY_CONSUMER_OFFSET = 14;
const GET_MAX_OFFSET = 30;
const UNREGISTER_CLIENT = 35;
const GET_CONSUMER_LIST_BY_GROUP = 38;
const GET_ROUTEINFO_BY_TOPIC = 105;
const GET_CONSUMER_RUNNING_INFO = 307;
const SUCCESS = 0;

const pollMs = 150;
/** Official clients look for queues every 20 s, sooner only when they are told; a queue that was still locked is no reason to. */
const nudgeAfterMs = 2_000;
/** Longest wait for queues to be shared out: brokers keep a lock for 60 s whose end an official client could not tell them. */
const sharedTimeoutMs = 90_000;

/** What queues are called here. */
export function queueName({ brokerName, queueId }: { readonly brokerName: string; readonly queueId: number }): string {
  return `${brokerName}:${queueId}`;
}

/** One topic and one group that reads it. */
export class GroupWatch {
  readonly #watched: Watched;
  readonly #queues: readonly { readonly broker: WatchedBroker; readonly queueId: number; readonly name: string }[];

  constructor(watched: Watched) {
    const { brokers, queueCount } = watched;
    this.#watched = watched;
    this.#queues = brokers.flatMap((broker) =>
      Array.from({ length: queueCount }, (_, queueId) => {
        return { broker, queueId, name: queueName({ brokerName: broker.brokerName, queueId }) };
      }),
    );
  }

  /** Waits until the name server knows that all brokers have the topic. */
  async routed(): Promise<void> {
    const { brokers, topic } = this.#watched;
    const endMs = performance.now() + sharedTimeoutMs;
    for (;;) {
      const route = await brokers[0]?.nameServerCall(GET_ROUTEINFO_BY_TOPIC, { topic });
      const text = route?.body.toString() ?? '';
      if (brokers.every(({ brokerName }) => text.includes(`"${brokerName}"`))) return;
      if (performance.now() > endMs) throw new Error(`topic ${topic} has no route with all brokers: ${text}`);
      await sleep(pollMs);
    }
  }

  /** Where the group stands in each queue; 0 where it never was. */
  async committed(): Promise<Offsets> {
    const { topic } = this.#watched;
    const offsets = this.#queues.map(async ({ broker, queueId, name }) => {
      return [name, await this.#committedIn(broker, topic, queueId)] as const;
    });
    return new Map(await Promise.all(offsets));
  }

  /** Where each queue ends. */
  async ends(): Promise<Offsets> {
    const { topic } = this.#watched;
    const offsets = this.#queues.map(async ({ broker, queueId, name }) => {
      return [name, await endOf(broker, topic, queueId)] as const;
    });
    return new Map(await Promise.all(offsets));
  }

  /** Messages of the topic, and of the group's retry topic, that the group has not got behind itself yet. */
  async left(): Promise<number> {
    const [ends, committed] = await Promise.all([this.ends(), this.committed()]);
    const own = [...ends].map(([name, end]) => end - (committed.get(name) ?? 0));
    const topic = `%RETRY%${this.#watched.group}`;
    const retries = this.#watched.brokers.map(async (broker) => {
      return (await endOf(broker, topic, 0)) - (await this.#committedIn(broker, topic, 0));
    });
    return [...own, ...(await Promise.all(retries))].reduce((sum, count) => sum + count, 0);
  }

  /**
   * Waits until the group has so many members and the queues are shared out as Java's `AllocateMessageQueueAveragely` does it: by what each
   * member itself says, through a broker, that it reads now.
   * @throws Error with the shares as they are, when that does not come about.
   */
  async shared(memberCount: number): Promise<Shares> {
    const startMs = performance.now();
    let nudgeAtMs = startMs + nudgeAfterMs;
    for (;;) {
      const shares = await this.#shares(memberCount);
      if (shares.size === memberCount && this.#isAverage(shares)) return shares;
      const nowMs = performance.now();
      if (nowMs - startMs > sharedTimeoutMs)
        throw new Error(`${this.#watched.group} is shared as ${describeShares(shares)} for too long`);
      if (nowMs > nudgeAtMs) {
        await this.#nudge();
        nudgeAtMs = nowMs + nudgeAfterMs;
      }
      await sleep(pollMs);
    }
  }

  /** Who is in the group, and the queues that each has: none where a member does not answer, nobody where brokers do not agree. */
  async #shares(memberCount: number): Promise<Shares> {
    const lists = await Promise.all(this.#watched.brokers.map((broker) => this.#members(broker)));
    const clientIds = lists[0] ?? [];
    if (clientIds.length !== memberCount || lists.some((list) => list.join() !== clientIds.join())) return new Map();
    const queues = await Promise.all(clientIds.map((clientId) => this.#queuesOf(clientId)));
    return new Map(clientIds.map((clientId, index) => [clientId, queues[index] ?? []]));
  }

  async #members(broker: WatchedBroker): Promise<readonly string[]> {
    const { code, body } = await broker.brokerCall(GET_CONSUMER_LIST_BY_GROUP, { consumerGroup: this.#watched.group });
    const value: unknown = code === SUCCESS ? JSON.parse(body.toString()) : undefined;
    const list = typeof value === 'object' && value !== null && 'consumerIdList' in value ? value.consumerIdList : [];
    return Array.isArray(list) ? list.map(String).toSorted() : [];
  }

  async #queuesOf(clientId: string): Promise<readonly string[]> {
    const { group, brokers, topic } = this.#watched;
    const fields = { consumerGroup: group, clientId, jstackEnable: 'false' };
    // Who is leaving may not answer at all.
    const reply = await brokers[0]?.brokerCall(GET_CONSUMER_RUNNING_INFO, fields).catch(() => undefined);
    if (reply?.code !== SUCCESS) return [];
    // The whole is no JSON: queues are the keys of a map, written as objects.
    const keys = reply.body.toString().match(/\{[^{}]*\}(?=:\{)/g) ?? [];
    const names = keys.flatMap((key) => {
      const queue: { topic: string; brokerName: string; queueId: number } = JSON.parse(key);
      return queue.topic === topic ? [queueName(queue)] : [];
    });
    return names.toSorted();
  }

  /** Consecutive queues for each member in the order of their ids; the first members have one more where it does not come out even. */
  #isAverage(shares: Shares): boolean {
    const inOrder = [...shares.keys()].toSorted().map((clientId) => shares.get(clientId) ?? []);
    const isEven = inOrder.every((queues, index) => {
      const rest = this.#queues.length % inOrder.length;
      return queues.length === Math.floor(this.#queues.length / inOrder.length) + (index < rest ? 1 : 0);
    });
    return isEven && inOrder.flat().join() === this.#queues.map(({ name }) => name).join();
  }

  async #committedIn(broker: WatchedBroker, topic: string, queueId: number): Promise<number> {
    const fields = { consumerGroup: this.#watched.group, topic, queueId: String(queueId) };
    const { code, extFields } = await broker.brokerCall(QUERY_CONSUMER_OFFSET, fields);
    return code === SUCCESS ? Number(extFields['offset']) : 0;
  }

  /** Has brokers tell all members that the group has changed, as they do when a client leaves that they do not know. */
  async #nudge(): Promise<void> {
    const fields = { clientID: 'nobody', consumerGroup: this.#watched.group };
    await Promise.all(this.#watched.brokers.map((broker) => broker.brokerCall(UNREGISTER_CLIENT, fields)));
  }
}

async function endOf(broker: WatchedBroker, topic: string, queueId: number): Promise<number> {
  const { extFields } = await broker.brokerCall(GET_MAX_OFFSET, { topic, queueId: String(queueId) });
  return Number(extFields['offset'] ?? 0);
}

/** For people. */
export function describeShares(shares: Shares): string {
  return [...shares].map(([clientId, queues]) => `${clientId} [${queues.join(' ')}]`).join(', ') || 'nobody';
}
