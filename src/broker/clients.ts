import type {
  ClientConsumer,
  ClientHeartbeat,
  ConsumeFromWhere,
  ConsumeType,
  MessageModel,
  Subscription,
} from '../remoting/requests/heartbeat.ts';
import { notifyConsumerIdsChanged } from '../remoting/requests/notify-consumer-ids-changed.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';
import { ChangeNotices } from './change-notices.ts';
import { GroupMembers, type Member, textLengthOf } from './group-members.ts';
import { RequestRefused } from './refused.ts';

/** A client that was not heard of for so long is in no group any more (Java `channelExpiredTimeout`). */
export const silenceMsMax = 120_000;
/** How often clients are looked at for silence. */
export const silenceCheckIntervalMs = 10_000;

export interface ClientsOptions {
  /** Most places of clients in groups: a client is in a group or two. Default: 100,000. */
  readonly memberCountMax: number;
  /** Most characters of all that is kept of clients. Default: 64 Mi. */
  readonly textLengthMax: number;
}

export const clientsDefaults: ClientsOptions = { memberCountMax: 100_000, textLengthMax: 67_108_864 };

/** The settings of groups, as far as they matter here. */
export interface GroupSettings {
  get(group: string): { readonly notifyConsumerIdsChanged: boolean } | undefined;
}

/** How a consumer group receives, as its members said last. */
export interface ConsumerGroupInfo {
  readonly consumeType: ConsumeType;
  readonly messageModel: MessageModel;
  readonly consumeFromWhere: ConsumeFromWhere;
  /** All topics that any member reads; of one topic the newest subscription. */
  readonly subscriptions: ReadonlyMap<string, Subscription>;
}

/** The side of a client that is no heartbeat: whence it came, and what it runs on. */
export interface ClientOrigin {
  readonly connection: ServerConnection;
  readonly language: string;
  readonly version: number;
}

interface Kind {
  readonly consumeType: ConsumeType;
  readonly messageModel: MessageModel;
  readonly consumeFromWhere: ConsumeFromWhere;
  /** Made from the members' when it is asked for; undefined when those have changed since. */
  subscriptions: ReadonlyMap<string, Subscription> | undefined;
}

/**
 * Who is connected, in which groups (Java `ConsumerManager`, `ProducerManager`, `ClientHousekeepingService`). Members of a consumer group
 * hear when one comes, leaves, or reads other topics. Unlike Java's, a group's subscriptions are those of all its members, so that
 * members which read different topics do not take them from each other with every heartbeat.
 */
export class Clients {
  readonly #groups: GroupSettings;
  readonly #options: ClientsOptions;
  readonly #consumers = new GroupMembers();
  readonly #producers = new GroupMembers();
  readonly #kinds = new Map<string, Kind>();
  readonly #watched = new WeakSet<ServerConnection>();
  readonly #notices = new ChangeNotices((group) => this.#tellMembers(group));
  #silenceCheck: NodeJS.Timeout | undefined;
  #turn = 0;
  #closed = false;

  constructor(groups: GroupSettings, options: ClientsOptions = clientsDefaults) {
    this.#groups = groups;
    this.#options = options;
  }

  /**
   * Takes a client into its groups, or hears that it is still there; returns the producer groups that it is new in.
   * @throws RequestRefused SYSTEM_BUSY when there are too many already; nothing of the heartbeat holds then.
   */
  register(heartbeat: ClientHeartbeat, origin: ClientOrigin): readonly string[] {
    const { connection } = origin;
    if (this.#closed || !connection.isOpen) return [];
    const heard = { clientId: heartbeat.clientId, ...origin, heardMs: performance.now() };
    const consumers = heartbeat.consumers.map((consumer) => ({
      consumer,
      member: { ...heard, group: consumer.groupName, subscriptions: this.#subscriptionsOf(consumer, heartbeat) },
    }));
    const producers = heartbeat.producerGroups.map((group) => ({ ...heard, group, subscriptions: [] }));
    this.#checkRoom(
      consumers.map(({ member }) => member),
      producers,
    );
    this.#watch(connection);
    for (const { consumer, member } of consumers) this.#putConsumer(consumer, member);
    return producers.filter((member) => this.#producers.put(member) === undefined).map(({ group }) => group);
  }

  /** Takes a client out of a consumer group, if it is there by this connection; says whether it was. */
  leaveConsumers(group: string, clientId: string, connection: ServerConnection): boolean {
    const left = this.#consumers.remove(group, clientId, connection);
    if (left) this.#changed(group);
    return left;
  }

  /** Takes a client out of a producer group, if it is there by this connection. */
  leaveProducers(group: string, clientId: string, connection: ServerConnection): void {
    this.#producers.remove(group, clientId, connection);
  }

  consumersOf(group: string): readonly Member[] {
    return this.#consumers.of(group);
  }

  consumer(group: string, clientId: string): Member | undefined {
    return this.#consumers.get(group, clientId);
  }

  /** Consumer groups that have members. */
  consumerGroups(): readonly string[] {
    return this.#consumers.groups();
  }

  /** Undefined: nobody is in the group. */
  groupInfo(group: string): ConsumerGroupInfo | undefined {
    const kind = this.#kinds.get(group);
    if (kind === undefined) return undefined;
    const { consumeType, messageModel, consumeFromWhere } = kind;
    kind.subscriptions ??= newest(this.#consumers.of(group));
    return { consumeType, messageModel, consumeFromWhere, subscriptions: kind.subscriptions };
  }

  /** What a group wants of a topic; undefined: no member reads it. */
  subscription(group: string, topic: string): Subscription | undefined {
    return this.groupInfo(group)?.subscriptions.get(topic);
  }

  /** Consumer groups whose members read a topic. */
  groupsOfTopic(topic: string): readonly string[] {
    return this.consumerGroups().filter((group) => this.subscription(group, topic) !== undefined);
  }

  producersOf(group: string): readonly Member[] {
    return this.#producers.of(group);
  }

  /** Producer groups that have members. */
  producerGroups(): readonly string[] {
    return this.#producers.groups();
  }

  /** A connection of a producer group, each in its turn; those that take what is sent come before others. Undefined: there is none. */
  producerConnection(group: string): ServerConnection | undefined {
    const open = this.#producers
      .of(group)
      .map(({ connection }) => connection)
      .filter(({ isOpen }) => isOpen);
    const ready = open.filter(({ isBackedUp }) => !isBackedUp);
    const connections = ready.length > 0 ? ready : open;
    this.#turn += 1;
    return connections[this.#turn % connections.length];
  }

  /** The connection by which a client was heard of last as a producer: where replies go. Undefined: it is not there. */
  findByClientId(clientId: string): ServerConnection | undefined {
    let last: Member | undefined;
    for (const member of this.#producers.ofClient(clientId)) {
      if (member.connection.isOpen && (last === undefined || member.heardMs >= last.heardMs)) last = member;
    }
    return last?.connection;
  }

  /** Ends all timers; hears of no client any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#silenceCheck);
    this.#silenceCheck = undefined;
    this.#notices.close();
  }

  #subscriptionsOf({ groupName, subscriptions }: ClientConsumer, heartbeat: ClientHeartbeat): readonly Subscription[] {
    if (!heartbeat.withoutSubscriptions) return subscriptions;
    const before = this.#consumers.get(groupName, heartbeat.clientId);
    return before?.subscriptions ?? [...(this.groupInfo(groupName)?.subscriptions.values() ?? [])];
  }

  /** @throws RequestRefused SYSTEM_BUSY. */
  #checkRoom(consumers: readonly Member[], producers: readonly Member[]): void {
    const { memberCountMax, textLengthMax } = this.#options;
    let count = this.#consumers.count + this.#producers.count;
    let textLength = this.#consumers.textLength + this.#producers.textLength;
    const add = (members: GroupMembers, member: Member): void => {
      const before = members.get(member.group, member.clientId);
      count += before === undefined ? 1 : 0;
      textLength += textLengthOf(member) - (before === undefined ? 0 : textLengthOf(before));
    };
    for (const member of consumers) add(this.#consumers, member);
    for (const member of producers) add(this.#producers, member);
    if (count > memberCountMax) {
      throw new RequestRefused(
        ResponseCode.SYSTEM_BUSY,
        `${memberCountMax} places in groups are taken: end some clients`,
      );
    }
    if (textLength > textLengthMax) {
      const what = `the subscriptions of all clients have more than ${textLengthMax} characters`;
      throw new RequestRefused(ResponseCode.SYSTEM_BUSY, `${what}: make them shorter, or end some clients`);
    }
  }

  #putConsumer({ consumeType, messageModel, consumeFromWhere }: ClientConsumer, member: Member): void {
    const { group } = member;
    const before = this.#consumers.put(member);
    const kind = this.#kinds.get(group);
    const same = before !== undefined && sameSubscriptions(before.subscriptions, member.subscriptions);
    const subscriptions = same ? kind?.subscriptions : undefined;
    this.#kinds.set(group, { consumeType, messageModel, consumeFromWhere, subscriptions });
    if (before === undefined || !sameTopics(before.subscriptions, member.subscriptions)) this.#changed(group);
  }

  /** Members came, went, or read other topics. */
  #changed(group: string): void {
    const kind = this.#kinds.get(group);
    if (kind === undefined) return;
    kind.subscriptions = undefined;
    if (!this.#consumers.has(group)) this.#kinds.delete(group);
    else if (kind.messageModel !== 'BROADCASTING') this.#notices.changed(group);
  }

  #tellMembers(group: string): void {
    if (this.#groups.get(group)?.notifyConsumerIdsChanged === false) return;
    const notice = notifyConsumerIdsChanged.encode({ consumerGroup: group });
    for (const { connection } of this.#consumers.of(group)) {
      try {
        connection.sendOneWay(notice);
      } catch {
        // It is closed, or takes nothing: it looks at its group by itself every 20 s.
      }
    }
  }

  #watch(connection: ServerConnection): void {
    this.#silenceCheck ??= setInterval(() => this.#removeSilent(), silenceCheckIntervalMs);
    if (this.#watched.has(connection)) return;
    this.#watched.add(connection);
    void connection.closed.then(() => {
      this.#producers.removeConnection(connection);
      this.#tellOf(this.#consumers.removeConnection(connection));
    });
  }

  #removeSilent(): void {
    const sinceMs = performance.now() - silenceMsMax;
    this.#producers.removeSilent(sinceMs);
    this.#tellOf(this.#consumers.removeSilent(sinceMs));
    if (this.#consumers.count + this.#producers.count > 0) return;
    clearInterval(this.#silenceCheck);
    this.#silenceCheck = undefined;
  }

  #tellOf(gone: readonly Member[]): void {
    for (const group of new Set(gone.map(({ group }) => group))) this.#changed(group);
  }
}

function newest(members: readonly Member[]): ReadonlyMap<string, Subscription> {
  const subscriptions = new Map<string, Subscription>();
  for (const subscription of members.flatMap((member) => member.subscriptions)) {
    const known = subscriptions.get(subscription.topic);
    if (known === undefined || subscription.version > known.version)
      subscriptions.set(subscription.topic, subscription);
  }
  return subscriptions;
}

function sameSubscriptions(one: readonly Subscription[], other: readonly Subscription[]): boolean {
  return one.length === other.length && one.every((subscription, at) => isSame(subscription, other[at]));
}

function isSame(one: Subscription, other: Subscription | undefined): boolean {
  return (
    other !== undefined &&
    one.topic === other.topic &&
    one.version === other.version &&
    one.expression === other.expression &&
    one.expressionType === other.expressionType
  );
}

function sameTopics(one: readonly Subscription[], other: readonly Subscription[]): boolean {
  const topics = new Set(one.map(({ topic }) => topic));
  return new Set(other.map(({ topic }) => topic)).size === topics.size && other.every(({ topic }) => topics.has(topic));
}
