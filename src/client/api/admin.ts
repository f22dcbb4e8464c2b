import type { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { QueuePermission } from '../../remoting/requests/get-route.ts';
import type { SubscriptionGroupSettings } from '../../remoting/requests/subscription-groups.ts';
import type { BrokerInfo, TopicSpec } from '../admin/admin.ts';
import type { ClusterClient } from '../client.ts';
import { type CallOptions, checkNumber } from './call.ts';
import { type ClientParts, runOnCluster } from './client-parts.ts';
import { invalidArgument } from './rocketmq-error.ts';

/** How one call of an administrator differs. */
export interface AdminCall extends CallOptions {
  /** Only the brokers of this cluster. Default: all that the name servers know. */
  readonly clusterName?: string;
}

/** A topic as it shall be; what is left out is set to its default, also where the topic exists. */
export interface TopicSettings {
  /** Queues at each broker: 1 to 1,024. Default: 8, as Java's tools have it. */
  readonly queueCount?: number;
  /** What clients may do with it. Default: `readWrite`. */
  readonly permission?: 'read' | 'write' | 'readWrite';
  /** What kind of messages it is for; brokers 5.x check it where they are told to, 4.x do not know it. Default: the brokers' own. */
  readonly messageType?: NonNullable<TopicSpec['messageType']>;
  /** An order topic. Default: false. */
  readonly order?: boolean;
}

/** A consumer group as it shall be; what is left out is as brokers make groups by themselves. */
export interface GroupSettings {
  /** False: its members receive nothing. Default: true. */
  readonly consumeEnable?: boolean;
  /** Whether members may receive as a broadcast. Default: true. */
  readonly consumeBroadcastEnable?: boolean;
  /** Brokers 5.x hand its messages out in order to POP. Default: false. */
  readonly consumeMessageOrderly?: boolean;
  /** Redeliveries after which a message goes to the dead letter queue: 0 to 2,147,483,647. Default: 16. */
  readonly retryMaxTimes?: number;
  /** Queues of its retry topic at each broker: 1 to 1,024. Default: 1. */
  readonly retryQueueCount?: number;
}

/** A consumer group as a broker has it. */
export type GroupInfo = Required<GroupSettings> & { readonly group: string };

/** What a queue holds. */
export interface QueueOffsets {
  readonly queue: MessageQueue;
  /** Offset of the first message that there is. */
  readonly minOffset: bigint;
  /** Offset that the next message gets. */
  readonly maxOffset: bigint;
  /** When the newest message was stored; undefined where none ever was. */
  readonly lastStoredAt: Date | undefined;
}

/** How far a group is in a queue. */
export interface GroupOffsets {
  readonly queue: MessageQueue;
  /** All below are done with. */
  readonly consumerOffset: bigint;
  /** Offset that the next message gets: `maxOffset - consumerOffset` messages are to be done yet. */
  readonly maxOffset: bigint;
}

const queueCountDefault = 8;
const permissions = {
  read: QueuePermission.READ,
  write: QueuePermission.WRITE,
  readWrite: QueuePermission.READ | QueuePermission.WRITE,
} as const;

/**
 * What administrators do, at every broker at once. All of it may be done again. Where some brokers failed, `servers` of the error says which
 * have done it. Needs no `close`.
 */
export class Admin {
  readonly #parts: ClientParts;

  /** Not for users: `RocketMQClient.admin` makes it. */
  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  /** The brokers that are registered, by name. @throws RocketMQError. */
  brokers(call: CallOptions = {}): Promise<readonly BrokerInfo[]> {
    return this.#run(call, ({ admin }, deadline) => admin.brokers(deadline));
  }

  /**
   * Makes a topic, or changes it. Name servers hear of it a moment later.
   * @returns the brokers that have it now. @throws RocketMQError.
   */
  createTopic(topic: string, settings: TopicSettings = {}, call: AdminCall = {}): Promise<readonly string[]> {
    return this.#run(call, ({ admin }, deadline) => {
      const { queueCount = queueCountDefault, permission = 'readWrite', messageType, order } = settings;
      const bits = permissions[permission];
      if (bits === undefined) throw invalidArgument(`permission is ${permission}; it may be read, write or readWrite`);
      const name = this.#parts.rules.fullTopic(topic);
      const spec = { name, queueCount, permission: bits, messageType, order, clusterName: call.clusterName };
      return admin.createTopic(spec, deadline);
    });
  }

  /**
   * Deletes a topic with its messages. What does not exist counts as deleted.
   * @returns the brokers that do not have it now. @throws RocketMQError.
   */
  deleteTopic(topic: string, call: AdminCall = {}): Promise<readonly string[]> {
    return this.#run(call, ({ admin }, deadline) =>
      admin.deleteTopic(this.#parts.rules.fullTopic(topic), call, deadline),
    );
  }

  /** All topics, RocketMQ's own too, in order; with a namespace those in it. @throws RocketMQError. */
  topics(call: AdminCall = {}): Promise<readonly string[]> {
    return this.#run(call, async ({ admin }, deadline) => this.#own(await admin.topics(call, deadline)));
  }

  /** Makes a consumer group, or changes it. @returns the brokers that have it now. @throws RocketMQError. */
  createGroup(group: string, settings: GroupSettings = {}, call: AdminCall = {}): Promise<readonly string[]> {
    return this.#run(call, ({ admin }, deadline) => {
      const { retryMaxTimes, retryQueueCount } = settings;
      if (retryMaxTimes !== undefined) checkNumber('retryMaxTimes', retryMaxTimes, { min: 0, max: 2_147_483_647 });
      if (retryQueueCount !== undefined) checkNumber('retryQueueCount', retryQueueCount, { min: 1, max: 1_024 });
      const name = this.#parts.fullGroup(group);
      return admin.createGroup({ ...settings, name, clusterName: call.clusterName }, deadline);
    });
  }

  /**
   * Deletes a consumer group and its offsets. Its retry and dead letter topics, `%RETRY%group` and `%DLQ%group`, stay: delete them with
   * `deleteTopic`.
   * @returns the brokers that do not have it now. @throws RocketMQError.
   */
  deleteGroup(group: string, call: AdminCall = {}): Promise<readonly string[]> {
    return this.#run(call, ({ admin }, deadline) => admin.deleteGroup(this.#parts.fullGroup(group), call, deadline));
  }

  /** The consumer groups of each broker, RocketMQ's own too, by broker name; with a namespace those in it. @throws RocketMQError. */
  groups(call: AdminCall = {}): Promise<ReadonlyMap<string, readonly GroupInfo[]>> {
    return this.#run(call, async ({ admin }, deadline) => {
      const groups = await admin.groups(call, deadline);
      return new Map(Array.from(groups, ([brokerName, rows]) => [brokerName, this.#groupInfos(rows)]));
    });
  }

  /** What each queue of a topic holds. @throws RocketMQError `TOPIC_NOT_FOUND`, … */
  topicOffsets(topic: string, call: CallOptions = {}): Promise<readonly QueueOffsets[]> {
    return this.#run(call, async ({ admin }, deadline) => {
      const queues = await admin.topicOffsets(this.#parts.rules.fullTopic(topic), deadline);
      return queues.map(({ queue, minOffset, maxOffset, lastUpdateTimestampMs: lastMs }) => ({
        queue: this.#short(queue),
        minOffset: BigInt(minOffset),
        maxOffset: BigInt(maxOffset),
        lastStoredAt: lastMs > 0 ? new Date(lastMs) : undefined,
      }));
    });
  }

  /** How far a group is in a topic. Queues of which it has stored no offset yet may be missing. @throws RocketMQError `TOPIC_NOT_FOUND`, … */
  groupOffsets(group: string, topic: string, call: CallOptions = {}): Promise<readonly GroupOffsets[]> {
    return this.#run(call, async ({ admin }, deadline) => {
      const full = this.#parts.rules.fullTopic(topic);
      const queues = await admin.groupOffsets(this.#parts.fullGroup(group), full, deadline);
      return queues.map(({ queue, consumerOffset, brokerOffset }) => ({
        queue: this.#short(queue),
        consumerOffset: BigInt(consumerOffset),
        maxOffset: BigInt(brokerOffset),
      }));
    });
  }

  /**
   * Moves a group in a topic: to the first message that there is, behind the last one, or to the first that was stored at or after a time.
   * What its members hold now may still be worked on.
   * @returns where it is now, as far as the brokers tell. @throws RocketMQError `TOPIC_NOT_FOUND`, …
   */
  resetOffsets(
    group: string,
    topic: string,
    to: 'first' | 'last' | Date,
    call: CallOptions = {},
  ): Promise<readonly { readonly queue: MessageQueue; readonly offset: bigint }[]> {
    return this.#run(call, async ({ admin }, deadline) => {
      const reset = { group: this.#parts.fullGroup(group), topic: this.#parts.rules.fullTopic(topic), to: placeOf(to) };
      const moved = await admin.resetOffsets(reset, deadline);
      return moved.map(({ queue, offset }) => ({ queue: this.#short(queue), offset: BigInt(offset) }));
    });
  }

  #run<T>(call: CallOptions, work: (cluster: ClusterClient, deadline: Deadline) => Promise<T>): Promise<T> {
    return runOnCluster(this.#parts, call, work);
  }

  #short(queue: MessageQueue): MessageQueue {
    return { ...queue, topic: this.#parts.shortTopic(queue.topic) };
  }

  /** Those of the namespace, without it. */
  #own(names: readonly string[]): readonly string[] {
    const { namespace, shortTopic } = this.#parts;
    return names.filter((name) => namespace === '' || shortTopic(name) !== name).map(shortTopic);
  }

  #groupInfos(rows: readonly SubscriptionGroupSettings[]): readonly GroupInfo[] {
    return rows.flatMap(({ name, ...settings }) => {
      const { consumeEnable, consumeBroadcastEnable, consumeMessageOrderly, retryMaxTimes, retryQueueCount } = settings;
      return this.#own([name]).map((group) => ({
        ...{ group, consumeEnable, consumeBroadcastEnable, consumeMessageOrderly, retryMaxTimes, retryQueueCount },
      }));
    });
  }
}

function placeOf(to: 'first' | 'last' | Date): number | 'end' {
  if (to === 'first') return 0;
  if (to === 'last') return 'end';
  if (to instanceof Date && to.getTime() >= 0) return to.getTime();
  throw invalidArgument(`the place is ${String(to)}; it is 'first', 'last' or a Date`);
}
