import { EventEmitter, once } from 'node:events';
import { Channels } from '../../src/client/cluster/channels.ts';
import { type Cluster, createCluster } from '../../src/client/cluster/cluster.ts';
import { CredentialsKeeper } from '../../src/client/cluster/credentials.ts';
import { Heartbeats } from '../../src/client/cluster/heartbeats.ts';
import { NameServers } from '../../src/client/cluster/name-servers.ts';
import { Routes } from '../../src/client/cluster/routes.ts';
import { createServerRequestHandler } from '../../src/client/cluster/server-requests.ts';
import { clientDefaults } from '../../src/client/options.ts';
import { averageAllocation } from '../../src/client/pull/allocation.ts';
import { PullGroups } from '../../src/client/pull/pull-groups.ts';
import { queueKey } from '../../src/client/pull/pull-requests.ts';
import { Rebalancer, type RebalancerOptions } from '../../src/client/pull/rebalancer.ts';
import type { MessageQueue } from '../../src/remoting/message.ts';
import type { Credentials } from '../../src/remoting/signature.ts';
import { MemoryLog } from './scripted-cluster.ts';

/** One member of a consumer group, on connections of its own. */
export interface GroupMember {
  readonly cluster: Cluster;
  readonly options: RebalancerOptions;
  readonly rebalancer: Rebalancer;
  readonly routes: Routes;
  readonly log: MemoryLog;
  /** What it was told, in order: `+` and `-` before the queue's key. */
  readonly history: readonly string[];
  /** Its queues of topics that are no retry topics, sorted. */
  readonly queues: readonly string[];
  /** Loses all connections without a word; none of them is made again. */
  kill(): void;
}

export interface MemberOptions extends Partial<RebalancerOptions> {
  readonly clientId: string;
}

/** Starts members of consumer groups, and waits for what they are told. */
export class GroupMembers {
  readonly #nameServer: string;
  readonly #credentials: Credentials | undefined;
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #ends: (() => Promise<void>)[] = [];
  /** The one that was started last. */
  last: GroupMember | undefined;

  /** @param credentials that all members sign with. */
  constructor(nameServer: string, credentials?: Credentials) {
    this.#nameServer = nameServer;
    this.#credentials = credentials;
  }

  start({ clientId, ...options }: MemberOptions): GroupMember {
    const log = new MemoryLog();
    const heartbeats = new Heartbeats(clientId, 'producers', log);
    const pullGroups = new PullGroups();
    const unused = (): never => {
      throw new Error('a member of a consumer group sends nothing');
    };
    const onServerRequest = createServerRequestHandler({
      heartbeats,
      pullGroups,
      transactions: unused,
      requestReply: unused,
    });
    const connections = { connectTimeoutMs: 3_000, vendor: clientDefaults.vendor, log };
    const credentials = new CredentialsKeeper({ ...connections, credentials: this.#credentials });
    const brokers = new Channels({ ...connections, credentials, onServerRequest }, (channel) =>
      heartbeats.greet(channel),
    );
    const nameServerChannels = new Channels({ ...connections, credentials });
    const routes = new Routes(new NameServers([this.#nameServer], nameServerChannels), 64);
    const cluster = createCluster({ clientId, routes, heartbeats, pullGroups, brokers }, () => true);
    const history: string[] = [];
    const note = (mark: string, queue: MessageQueue): void => {
      history.push(mark + queueKey(queue));
      this.#changes.emit('change');
    };
    const whole: RebalancerOptions = {
      group: 'readers',
      messageModel: 'CLUSTERING',
      consumeType: 'CONSUME_PASSIVELY',
      consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
      orderly: false,
      strategy: averageAllocation,
      ...options,
      onTaken: (queue) => {
        options.onTaken?.(queue);
        note('+', queue);
      },
      onGiven: async (queue) => {
        await options.onGiven?.(queue);
        note('-', queue);
      },
    };
    const rebalancer = new Rebalancer(cluster, log, whole);
    const kill = (): void => {
      brokers.close();
      nameServerChannels.close();
    };
    this.#ends.push(async () => {
      await rebalancer.close();
      kill();
    });
    const member: GroupMember = {
      cluster,
      options: whole,
      rebalancer,
      routes,
      log,
      history,
      kill,
      get queues() {
        const own = rebalancer.queues.filter(({ topic }) => !topic.startsWith('%RETRY%'));
        return own.map(queueKey).sort();
      },
    };
    this.last = member;
    return member;
  }

  /** Waits until something holds; it is looked at whenever a member takes or gives a queue. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this.#changes, 'change');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#ends.map((end) => end()));
  }
}

/** A subscription to all messages of a topic. */
export function everythingOf(topic: string) {
  return { topic, expression: '*', version: Date.now() };
}
