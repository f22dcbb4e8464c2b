import type { Channel } from '../remoting/channel.ts';
import { Deadline } from '../remoting/deadline.ts';
import { RemotingError } from '../remoting/errors.ts';
import {
  type ClientConsumer,
  type ConsumeFromWhere,
  type ConsumeType,
  decodeHeartbeatReply,
  encodeHeartbeat,
  type MessageModel,
  type Subscription,
} from '../remoting/requests/heartbeat.ts';
import { unregisterClient } from '../remoting/requests/unregister-client.ts';
import type { ClientLog } from './options.ts';

const heartbeatTimeoutMs = 3_000;

/** One topic that a consumer of this client reads for its group, and how it does. */
export interface Membership {
  readonly group: string;
  readonly consumeType: ConsumeType;
  readonly messageModel: MessageModel;
  readonly consumeFromWhere: ConsumeFromWhere;
  readonly subscription: Subscription;
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
  readonly #greetings = new WeakMap<Channel, Promise<number>>();

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
    return () => {
      this.#members.delete(member);
      return ![...this.#members].some(({ group }) => group === member.group);
    };
  }

  /** One more producer group, from the next heartbeat on, until the returned function is called. */
  joinProducers(group: string): () => void {
    this.#producerGroups.add(group);
    return () => void this.#producerGroups.delete(group);
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
    const greeting = this.#beat(channel, Deadline.after(heartbeatTimeoutMs));
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

  /** Sends a heartbeat on each connection; one that fails is told to the log and tried again the next time. */
  async beatAll(channels: readonly Channel[]): Promise<void> {
    const beats = channels.map((channel) =>
      this.#beat(channel, Deadline.after(heartbeatTimeoutMs)).catch((error: unknown) => {
        this.#log.debug({ err: error, broker: channel.address }, 'a heartbeat failed');
      }),
    );
    await Promise.all(beats);
  }

  /** Takes a consumer group off the brokers at once, so that they do not show it for another 120 s. */
  leave(group: string, channels: readonly Channel[]): void {
    const request = unregisterClient.encode({ clientId: this.#clientId, consumerGroup: group });
    for (const channel of channels) {
      channel.invoke(request, Deadline.after(heartbeatTimeoutMs)).catch((error: unknown) => {
        this.#log.debug(
          { err: error, broker: channel.address, group },
          'a consumer group could not be taken off a broker',
        );
      });
    }
  }

  async #beat(channel: Channel, deadline: Deadline): Promise<number> {
    const { consumers } = this;
    const content = encodeHeartbeat({ clientId: this.#clientId, producerGroups: [...this.#producerGroups], consumers });
    try {
      decodeHeartbeatReply(await channel.invoke(content, deadline), channel.address);
    } catch (error) {
      if (error instanceof RemotingError) throw error;
      this.#log.warn({ err: error, broker: channel.address }, 'a broker refused a heartbeat');
    }
    return channel.serverVersion ?? 0;
  }
}
