import type { Deadline } from '../../remoting/deadline.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { writeAttributes } from '../../remoting/requests/attributes.ts';
import { decodeBrokers, getClusterInfo } from '../../remoting/requests/get-cluster-info.ts';
import { type ConsumedQueue, decodeConsumeStats, getConsumeStats } from '../../remoting/requests/get-consume-stats.ts';
import { QueuePermission } from '../../remoting/requests/get-route.ts';
import { retryMaxTimesDefault } from '../../remoting/requests/get-subscription-group.ts';
import { decodeTopicStats, getTopicStats, type QueueStats } from '../../remoting/requests/get-topic-stats.ts';
import type { ResetQueue } from '../../remoting/requests/reset-offset.ts';
import {
  decodeGroupSettingsTable,
  deleteSubscriptionGroup,
  encodeGroupSettings,
  getAllSubscriptionGroups,
  type SubscriptionGroupSettings,
  updateSubscriptionGroup,
} from '../../remoting/requests/subscription-groups.ts';
import { deleteTopic, deleteTopicRoute, updateTopic } from '../../remoting/requests/topic-config.ts';
import { decodeTopicList, getAllTopics, getTopicsOfCluster } from '../../remoting/requests/topic-lists.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { defaultTopic, validateGroup, validateTopic } from '../../remoting/topic-names.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { NameServers } from '../cluster/name-servers.ts';
import type { Route } from '../cluster/route.ts';
import { ClientError } from '../errors.ts';
import type { ClientOptions } from '../options.ts';
import type { Subscriber } from '../subscriber.ts';
import { allResults } from './admin-results.ts';
import { type ConsumerLag, consumerLagAt } from './consumer-lag.ts';
import { type AskedBroker, type OffsetReset, resetOffsetsAt } from './offset-reset.ts';

/** Which brokers are meant: the masters of one cluster, or, left out, of all that the name servers know. */
export interface AdminScope {
  readonly clusterName?: string | undefined;
}

/** A topic as it shall be. */
export interface TopicSpec extends AdminScope {
  readonly name: string;
  /** Queues at each broker, 1 to 1,024; Java's tools make 8. */
  readonly queueCount: number;
  /** `QueuePermission` bits. Default: read and write. */
  readonly permission?: number | undefined;
  /** What brokers 5.x check sends against where they are told to; 4.x ignores it. */
  readonly messageType?: 'NORMAL' | 'FIFO' | 'DELAY' | 'TRANSACTION' | 'MIXED' | undefined;
  /** True: its queues are read in order (an order topic). Default: false. */
  readonly order?: boolean | undefined;
}

/** A consumer group as it shall be; what is left out is as brokers make groups by themselves. */
export interface GroupSpec extends AdminScope {
  readonly name: string;
  /** False: it receives nothing. Default: true. */
  readonly consumeEnable?: boolean | undefined;
  readonly consumeBroadcastEnable?: boolean | undefined;
  /** True: brokers 5.x hand its messages out in order to POP. Default: false. */
  readonly consumeMessageOrderly?: boolean | undefined;
  /** Redeliveries after which a message goes to the dead letter queue. Default: 16. */
  readonly retryMaxTimes?: number | undefined;
  /** Queues of its retry topic at each broker. Default: 1. */
  readonly retryQueueCount?: number | undefined;
}

/** A registered broker. */
export interface BrokerInfo {
  readonly name: string;
  readonly clusterName: string;
  /** `host:port` of its master; undefined where none is registered now. */
  readonly masterAddress: string | undefined;
}

const queueCountMax = 1_024;

/**
 * What administrators do. Everything that changes something is asked of every master in scope, at once, and tells what each of them said,
 * by broker name. All may be done again.
 * @throws PartialFailureError in all calls that ask several servers, when one of them failed: it says which have done it; ClientError
 * `noBroker` when there are none, `invalid`; RemotingError `connect` when no name server answers, `timeout`, `cancelled`.
 */
export class Admin {
  readonly #cluster: Cluster;
  readonly #nameServers: NameServers;
  readonly #options: Pick<ClientOptions, 'requestTimeoutMs'>;

  constructor(cluster: Cluster, nameServers: NameServers, options: Pick<ClientOptions, 'requestTimeoutMs'>) {
    this.#cluster = cluster;
    this.#nameServers = nameServers;
    this.#options = options;
  }

  /** The brokers that are registered at the name servers, by name. */
  async brokers(deadline: Deadline): Promise<readonly BrokerInfo[]> {
    const { reply, address } = await this.#nameServers.invoke(getClusterInfo.encode({}), deadline);
    getClusterInfo.decodeReply(reply, address);
    const brokers = decodeBrokers(reply).map(({ brokerName, cluster, addresses }) => ({
      name: brokerName,
      clusterName: cluster,
      masterAddress: addresses.get(0),
    }));
    return brokers.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Makes a topic, or changes it. Name servers hear of it a moment later. @returns the names of the brokers that have it now. */
  async createTopic(topic: TopicSpec, deadline: Deadline): Promise<readonly string[]> {
    refuse(validateTopic(topic.name));
    if (!Number.isInteger(topic.queueCount) || topic.queueCount < 1 || topic.queueCount > queueCountMax) {
      throw new ClientError('invalid', `a topic has 1 to ${queueCountMax} queues at a broker, not ${topic.queueCount}`);
    }
    const content = updateTopic.encode(topicFields(topic));
    const done = await this.#atMasters(`creating topic ${topic.name}`, topic, deadline, async (broker) => {
      updateTopic.decodeReply(await broker.invoke(content), broker.address);
    });
    this.#cluster.routes.doubt(topic.name, 'topicGone');
    return [...done.keys()];
  }

  /** Deletes a topic with its messages, at its brokers first, then at every name server. What does not exist counts as deleted. */
  async deleteTopic(name: string, scope: AdminScope, deadline: Deadline): Promise<readonly string[]> {
    refuse(validateTopic(name));
    const what = `deleting topic ${name}`;
    const done = await this.#atMasters(what, scope, deadline, async (broker) => {
      const reply = await broker.invoke(deleteTopic.encode({ topic: name }));
      if (reply.code !== ResponseCode.TOPIC_NOT_EXIST) deleteTopic.decodeReply(reply, broker.address);
    });
    const answers = await this.#nameServers.invokeAll(deleteTopicRoute.encode({ topic: name }), deadline);
    const checked = Array.from(answers, ([address, reply]): [string, Promise<object>] => [
      address,
      reply.then((command) => deleteTopicRoute.decodeReply(command, address)),
    ]);
    await allResults(what, new Map(checked));
    this.#cluster.routes.doubt(name, 'topicGone');
    return [...done.keys()];
  }

  /** Makes a consumer group, or changes it. @returns the names of the brokers that have it now. */
  async createGroup(group: GroupSpec, deadline: Deadline): Promise<readonly string[]> {
    refuse(validateGroup(group.name));
    const content = updateSubscriptionGroup.encode({}, encodeGroupSettings(groupSettings(group)));
    const done = await this.#atMasters(`creating group ${group.name}`, group, deadline, async (broker) => {
      updateSubscriptionGroup.decodeReply(await broker.invoke(content), broker.address);
    });
    return [...done.keys()];
  }

  /**
   * Deletes a consumer group and where it is in its topics. Its retry and dead letter topics stay, since somebody may still want what is
   * in them: `deleteTopic` deletes them.
   */
  async deleteGroup(name: string, scope: AdminScope, deadline: Deadline): Promise<readonly string[]> {
    refuse(validateGroup(name));
    const content = deleteSubscriptionGroup.encode({ groupName: name, cleanOffset: true, removeOffset: true });
    const done = await this.#atMasters(`deleting group ${name}`, scope, deadline, async (broker) => {
      deleteSubscriptionGroup.decodeReply(await broker.invoke(content), broker.address);
    });
    return [...done.keys()];
  }

  /** All topics, those of RocketMQ too, in order of their names. */
  async topics({ clusterName }: AdminScope, deadline: Deadline): Promise<readonly string[]> {
    const content =
      clusterName === undefined ? getAllTopics.encode({}) : getTopicsOfCluster.encode({ cluster: clusterName });
    const { reply, address } = await this.#nameServers.invoke(content, deadline);
    getAllTopics.decodeReply(reply, address);
    return [...decodeTopicList(reply)].sort();
  }

  /** The consumer groups that each broker knows, those of RocketMQ too, by broker name. */
  groups(scope: AdminScope, deadline: Deadline): Promise<ReadonlyMap<string, readonly SubscriptionGroupSettings[]>> {
    const content = getAllSubscriptionGroups.encode({});
    return this.#atMasters('listing groups', scope, deadline, async (broker) =>
      decodeGroupSettingsTable(await broker.invoke(content), broker.address),
    );
  }

  /** What each queue of a topic holds. @throws ClientError `noRoute` when there is no such topic. */
  async topicOffsets(topic: string, deadline: Deadline): Promise<readonly QueueStats[]> {
    const route = await this.#route(topic, deadline);
    const content = getTopicStats.encode({ topic });
    const queues = await this.#at(`reading the offsets of topic ${topic}`, route, deadline, async (broker) =>
      decodeTopicStats(await broker.invoke(content), broker.address),
    );
    return [...queues.values()].flat().sort(byQueue);
  }

  /**
   * How far a group is in a topic: for each queue what it is done with and what there is; the difference is how far it is behind. Queues
   * of which it has never stored an offset may be missing.
   * @throws ClientError `noRoute` when there is no such topic.
   */
  async groupOffsets(group: string, topic: string, deadline: Deadline): Promise<readonly ConsumedQueue[]> {
    const route = await this.#route(topic, deadline);
    const content = getConsumeStats.encode({ consumerGroup: group, topic });
    const queues = await this.#at(`reading the offsets of group ${group}`, route, deadline, async (broker) =>
      decodeConsumeStats(await broker.invoke(content), broker.address),
    );
    return [...queues.values()].flat().sort(byQueue);
  }

  /**
   * How far a group is behind in a topic and in its retry topics, and who is connected as a member of it. Tells more than `groupOffsets`,
   * for a request more to each broker for each queue.
   * @throws ClientError `noRoute` when there is no such topic.
   */
  async consumerLag({ group, topic }: Subscriber, deadline: Deadline): Promise<ConsumerLag> {
    const route = await this.#route(topic, deadline);
    const what = `reading the lag of group ${group} in topic ${topic}`;
    const lags = await this.#at(what, route, deadline, (broker) => consumerLagAt({ group, topic }, broker));
    // A client is connected to several brokers.
    const members = new Map(
      [...lags.values()].flatMap((lag) => lag.members.map((member) => [member.clientId, member])),
    );
    return { queues: [...lags.values()].flatMap((lag) => lag.queues).sort(byQueue), members: [...members.values()] };
  }

  /**
   * Moves a group to another place of a topic, back or ahead. Messages that it holds now may still be worked on. Brokers 5.x do it by
   * themselves; of older ones the members of the group, and where none is there, this client.
   * @returns where the group is now, as far as the brokers tell.
   * @throws ClientError `noRoute` when there is no such topic.
   */
  async resetOffsets(reset: OffsetReset, deadline: Deadline): Promise<readonly ResetQueue[]> {
    refuse(validateGroup(reset.group));
    const route = await this.#route(reset.topic, deadline);
    const what = `resetting group ${reset.group} in topic ${reset.topic}`;
    const moved = await this.#at(what, route, deadline, (broker) =>
      resetOffsetsAt(reset, { ...broker, queueCount: route.readQueueCounts.get(broker.brokerName) ?? 0 }),
    );
    return [...moved.values()].flat().sort(byQueue);
  }

  async #route(topic: string, deadline: Deadline): Promise<Route> {
    const route = await this.#cluster.routes.find(topic, deadline);
    if (route !== undefined) return route;
    throw new ClientError('noRoute', `topic ${topic} does not exist`);
  }

  async #atMasters<T>(
    what: string,
    { clusterName }: AdminScope,
    deadline: Deadline,
    work: (broker: AskedBroker) => Promise<T>,
  ): Promise<ReadonlyMap<string, T>> {
    const brokers = await this.brokers(deadline);
    const meant = brokers.filter((broker) => clusterName === undefined || broker.clusterName === clusterName);
    if (meant.length === 0) {
      const where = clusterName === undefined ? '' : ` in cluster ${clusterName}`;
      throw new ClientError('noBroker', `no broker is registered${where} now`);
    }
    // One without a master stays without an address here, and fails as `noBroker`.
    const masters = new Map(meant.map(({ name, masterAddress = '' }) => [name, masterAddress]));
    return this.#at(what, { masters }, deadline, work);
  }

  #at<T>(
    what: string,
    route: Pick<Route, 'masters'>,
    deadline: Deadline,
    work: (broker: AskedBroker) => Promise<T>,
  ): Promise<ReadonlyMap<string, T>> {
    const calls = Array.from(route.masters.keys(), (brokerName): [string, Promise<T>] => [
      brokerName,
      this.#ask(route, brokerName, deadline, work),
    ]);
    return allResults(what, new Map(calls));
  }

  async #ask<T>(
    route: Pick<Route, 'masters'>,
    brokerName: string,
    deadline: Deadline,
    work: (broker: AskedBroker) => Promise<T>,
  ): Promise<T> {
    if (route.masters.get(brokerName) === '')
      throw new ClientError('noBroker', `broker ${brokerName} has no master now`);
    const attempt = (): Deadline => deadline.atMost(this.#options.requestTimeoutMs);
    const channel = await this.#cluster.broker(route, brokerName, attempt());
    return work({
      brokerName,
      address: channel.address,
      invoke: (content) => channel.invoke(content, attempt()),
    });
  }
}

/** @throws ClientError `invalid` with the reason, where there is one. */
function refuse(reason: string | undefined): void {
  if (reason !== undefined) throw new ClientError('invalid', reason);
}

function topicFields({ name, queueCount, permission, messageType, order = false }: TopicSpec) {
  const attributes = messageType === undefined ? undefined : writeAttributes({ '+message.type': messageType });
  return {
    topic: name,
    defaultTopic,
    readQueueCount: queueCount,
    writeQueueCount: queueCount,
    permission: permission ?? QueuePermission.READ | QueuePermission.WRITE,
    filterType: 'SINGLE_TAG',
    sysFlag: 0,
    order,
    attributes,
  };
}

function groupSettings(group: GroupSpec): SubscriptionGroupSettings {
  return {
    name: group.name,
    consumeEnable: group.consumeEnable ?? true,
    consumeFromMinEnable: true,
    consumeBroadcastEnable: group.consumeBroadcastEnable ?? true,
    consumeMessageOrderly: group.consumeMessageOrderly ?? false,
    retryQueueCount: group.retryQueueCount ?? 1,
    retryMaxTimes: group.retryMaxTimes ?? retryMaxTimesDefault,
    notifyConsumerIdsChanged: true,
    attributes: {},
  };
}

/** Of several topics, one after the other. */
function byQueue(one: { readonly queue: MessageQueue }, other: { readonly queue: MessageQueue }): number {
  if (one.queue.topic !== other.queue.topic) return one.queue.topic < other.queue.topic ? -1 : 1;
  if (one.queue.brokerName !== other.queue.brokerName) return one.queue.brokerName < other.queue.brokerName ? -1 : 1;
  return one.queue.queueId - other.queue.queueId;
}
