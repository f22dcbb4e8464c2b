import type { Channel } from '../../remoting/channel.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import {
  type ClientConsumer,
  type ConsumeFromWhere,
  type ConsumeType,
  decodeHeartbeatReply,
  encodeHeartbeat,
  type MessageModel,
  type Subscription,
} from '../../remoting/requests/heartbeat.ts';
import { unregisterClient } from '../../remoting/requests/unregister-client.ts';
import { isDenied } from '../errors.ts';
import type { ClientLog } from '../options.ts';

const heartbeatTimeoutMs = 3_000;

/** One topic that a consumer of this client reads for its group, and how it does. */
export interface Membership {
  readonly group: string;
  readonly consumeType: ConsumeType;
  readonly messageModel: MessageModel;
  readonly consumeFromWhere: ConsumeFromWhere;
  readonly subscription: Subscription;
}

/** A heartbeat that is not answered. */
interface Beat {
  /** Of what it tells. */
  readonly revision: number;
  readonly answered: Promise<number>;
  /** The one behind it, for those who have something newer to tell. */
  next: Promise<number> | undefined;
}

/**
 * Tells brokers which groups live here: they ask producers about open transactions, show consumers to operators, and tie both to
 * the connection. Their answer also tells the broker's version.
 */
export class Heartbeats {
  readonly #clientId: string;
  readonly #producerGroups: Set<string>;
  readonly #log: ClientLog;
  readonly #members = new Set<Membership>();
  /** How many of them each group has: there may be very many, and all of them leave together. */
  readonly #memberCounts = new Map<string, number>();
  readonly #greetings = new WeakMap<Channel, Promise<number>>();
  /** Counts the changes of who lives here. */
  #revision = 0;
  /** What a broker heard last. */
  readonly #heard = new WeakMap<Channel, number>();
  readonly #beating = new WeakMap<Channel, Beat>();

  constructor(clientId: string, producerGroup: string, log: ClientLog) {
    this.#clientId = clientId;
    this.#producerGroups = new Set([producerGroup]);
    this.#log = log;
  }

  /**
   * A consumer and what it subscribes to, from the next heartbeat on, until the returned function is called: that says whether it was
   * the last of its group here. How a group receives is told as its newest member does.
   */
  join(membership: Membership): () => boolean {
    const member = { ...membership };
    this.#members.add(member);
    this.#countMember(member.group, 1);
    return () => {
      if (this.#members.delete(member)) this.#countMember(member.group, -1);
      return !this.#memberCounts.has(member.group);
    };
  }

  /** One more producer group, from the next heartbeat on, until the returned function is called. */
  joinProducers(group: string): () => void {
    this.#producerGroups.add(group);
    this.#revision += 1;
    return () => {
      if (this.#producerGroups.delete(group)) this.#revision += 1;
    };
  }

  /** What each consumer group here subscribes to. */
  get consumers(): readonly ClientConsumer[] {
    const groups = new Map<string, { readonly newest: Membership; readonly topics: Map<string, Subscription> }>();
    for (const newest of this.#members) {
      const topics = groups.get(newest.group)?.topics ?? new Map<string, Subscription>();
      topics.set(newest.subscription.topic, newest.subscription);
      groups.set(newest.group, { newest, topics });
    }
    return Array.from(groups, ([groupName, { newest, topics }]) => ({
      groupName,
      consumeType: newest.consumeType,
      messageModel: newest.messageModel,
      consumeFromWhere: newest.consumeFromWhere,
      subscriptions: [...topics.values()],
    }));
  }

  /** Sends the first heartbeat of a connection; `versionOf` waits for its answer. */
  greet(channel: Channel): void {
    const greeting = this.#beat(channel).catch((error: unknown) => {
      if (!isDenied(error)) throw error;
      // It has answered, and may still permit what is asked of it.
      this.#warn(channel, error);
      return channel.serverVersion ?? 0;
    });
    this.#greetings.set(channel, greeting);
    greeting.catch(() => this.#greetings.delete(channel));
  }

  /**
   * The version of the broker at the other end (`ProtocolVersion`).
   * @throws RemotingError when it does not answer in time.
   */
  async versionOf(channel: Channel, deadline: Deadline): Promise<number> {
    if (channel.serverVersion !== undefined) return channel.serverVersion;
    if (!this.#greetings.has(channel)) this.greet(channel);
    const version = await deadline.wait(
      this.#greetings.get(channel) ?? Promise.resolve(0),
      `asking ${channel.address} for its version`,
    );
    return version;
  }

  /**
   * Makes sure that the broker at the other end has heard who lives here now.
   * @throws ClientError `unauthenticated`, `denied`; RemotingError when it does not answer in time.
   */
  async tell(channel: Channel, deadline: Deadline): Promise<void> {
    if (this.#heard.get(channel) === this.#revision) return;
    await deadline.wait(this.#beat(channel), `telling ${channel.address} who lives here`);
  }

  /** Sends a heartbeat on each connection; one that fails is told to the log and tried again the next time. */
  async beatAll(channels: readonly Channel[]): Promise<void> {
    const beats = channels.map((channel) =>
      this.#beat(channel).catch((error: unknown) => {
        if (isDenied(error)) this.#warn(channel, error);
        else this.#log.debug({ err: error, broker: channel.address }, 'a heartbeat failed');
      }),
    );
    await Promise.all(beats);
  }

  /**
   * Takes a consumer group off the brokers at once, so that they do not show it, nor give it queues, for another 120 s. Resolves when
   * they have answered; one that does not is told to the log.
   */
  async leave(group: string, channels: readonly Channel[]): Promise<void> {
    const request = unregisterClient.encode({ clientId: this.#clientId, consumerGroup: group });
    const takeOff = async (channel: Channel): Promise<void> => {
      const deadline = Deadline.after(heartbeatTimeoutMs);
      const beating = this.#beating.get(channel)?.answered.catch(() => {});
      try {
        // Brokers work on requests of a connection side by side: a heartbeat that still names the group would bring it back.
        if (beating !== undefined) await deadline.wait(beating, 'waiting for a heartbeat to be answered');
        unregisterClient.decodeReply(await channel.invoke(request, deadline), channel.address);
      } catch (error) {
        const broker = channel.address;
        this.#log.debug({ err: error, broker, group }, 'a consumer group could not be taken off a broker');
      }
    };
    await Promise.all(channels.map(takeOff));
  }

  #countMember(group: string, change: 1 | -1): void {
    this.#revision += 1;
    const count = (this.#memberCounts.get(group) ?? 0) + change;
    if (count === 0) this.#memberCounts.delete(group);
    else this.#memberCounts.set(group, count);
  }

  /**
   * Each names all groups: of many that join at once, one for each would fill the connection. So one is under way at a time, and who has
   * something newer to tell shares the one behind it.
   */
  #beat(channel: Channel): Promise<number> {
    const beat = this.#beating.get(channel);
    if (beat === undefined) return this.#send(channel);
    if (beat.revision === this.#revision) return beat.answered;
    beat.next ??= beat.answered.catch(() => {}).then(() => this.#beat(channel));
    return beat.next;
  }

  #send(channel: Channel): Promise<number> {
    const beat: Beat = { revision: this.#revision, answered: this.#ask(channel), next: undefined };
    this.#beating.set(channel, beat);
    const forget = (): void => void this.#beating.delete(channel);
    beat.answered.then(forget, forget);
    return beat.answered;
  }

  async #ask(channel: Channel): Promise<number> {
    const { consumers } = this;
    const revision = this.#revision;
    const content = encodeHeartbeat({ clientId: this.#clientId, producerGroups: [...this.#producerGroups], consumers });
    try {
      decodeHeartbeatReply(await channel.invoke(content, Deadline.after(heartbeatTimeoutMs)), channel.address);
      this.#heard.set(channel, revision);
    } catch (error) {
      if (error instanceof RemotingError || isDenied(error)) throw error;
      this.#warn(channel, error);
    }
    return channel.serverVersion ?? 0;
  }

  #warn(channel: Channel, error: unknown): void {
    this.#log.warn({ err: error, broker: channel.address }, 'a broker refused a heartbeat');
  }
}
