import type { Channel } from '../remoting/channel.ts';
import type { Command } from '../remoting/command.ts';
import type { Deadline } from '../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../remoting/errors.ts';
import { MessageProperty, type MessageQueue } from '../remoting/message.ts';
import { encodeProperties } from '../remoting/message-properties.ts';
import { type SendMessageReply, sendMessage } from '../remoting/requests/send-message.ts';
import { SysFlag } from '../remoting/sys-flag.ts';
import { defaultTopic } from '../remoting/topic-names.ts';
import { isVersion5 } from '../remoting/version.ts';
import { backoffMs } from './backoff.ts';
import type { Cluster } from './cluster.ts';
import { type Delivery, deliveryProperty } from './delivery.ts';
import { ClientError } from './errors.ts';
import { Gate } from './gate.ts';
import type { ClientOptions } from './options.ts';
import { QueueTurn, queueForKey } from './queue-selector.ts';
import { autoCreatedQueueCount, type Route } from './route.ts';
import { routeDoubt } from './routes.ts';
import { isRetryable, SendTries } from './send-tries.ts';

/** A message to be sent. */
export interface OutgoingMessage {
  readonly topic: string;
  /** 1 byte to the broker's maximum, 4 MiB unless configured otherwise. */
  readonly body: Uint8Array;
  readonly tag?: string | undefined;
  /** Index keys, separated by spaces. */
  readonly keys?: string | undefined;
  /** User properties; reserved names are the caller's to refuse. */
  readonly properties?: Iterable<readonly [string, string]> | undefined;
  /** Messages of one key are stored in one queue. */
  readonly shardingKey?: string | undefined;
  readonly delivery: Delivery;
}

/** Where a message was stored. */
export interface SendResult {
  /** UNIQ_KEY: the id that receivers see too. */
  readonly messageId: string;
  /** Id that holds the broker's address and the commit log offset: not for clients of the proxy. */
  readonly offsetMessageId: string;
  readonly queue: MessageQueue;
  /** For delayed and half messages the offset in the inner topic. */
  readonly queueOffset: bigint;
  readonly bornTimestampMs: number;
  readonly transactionId: string | undefined;
  /** The connection by which it was stored. */
  readonly channel: Channel;
}

/** What makes a message a half message. */
export interface HalfMessageProperties {
  readonly producerGroup: string;
  readonly checkImmunitySeconds: number | undefined;
}

/**
 * Sends messages. A failed try is repeated at another broker where there is one, with the same message id, under the deadline of
 * the whole call; sends in flight are bounded for each broker.
 */
export class Producer {
  readonly #cluster: Cluster;
  readonly #options: ClientOptions;
  readonly #createMessageId: () => string;
  readonly #turn = new QueueTurn();
  readonly #gates = new WeakMap<Channel, Gate>();

  constructor(cluster: Cluster, options: ClientOptions, createMessageId: () => string) {
    this.#cluster = cluster;
    this.#options = options;
    this.#createMessageId = createMessageId;
  }

  /**
   * Stores one message.
   * @throws ClientError `noRoute`, `noBroker`, `notStored`, `outcomeUnknown`, `unsupported`, `invalid`, `closed`; ResponseError when
   * the broker refused the message for good; RemotingError `connect` when no name server answers, `timeout`, `cancelled`,
   * `overloaded` or `malformed`. Of all these only `outcomeUnknown` leaves open whether the message is stored.
   */
  send(message: OutgoingMessage, deadline: Deadline): Promise<SendResult> {
    return this.#store(message, undefined, deadline);
  }

  /** Stores a half message: nobody receives it before its transaction is committed. Fails as `send` does. */
  sendHalf(message: OutgoingMessage, half: HalfMessageProperties, deadline: Deadline): Promise<SendResult> {
    return this.#store(message, half, deadline);
  }

  async #store(
    message: OutgoingMessage,
    half: HalfMessageProperties | undefined,
    deadline: Deadline,
  ): Promise<SendResult> {
    const messageId = this.#createMessageId();
    const tries = new SendTries();
    try {
      for (;;) {
        const result = await this.#try({ message, half, messageId }, tries, deadline);
        if (result !== undefined) return result;
        await deadline.sleep(backoffMs(tries.count + 1));
      }
    } catch (error) {
      throw tries.finalError(error, deadline);
    }
  }

  /** Undefined when it failed and another try may succeed. */
  async #try(content: Content, tries: SendTries, deadline: Deadline): Promise<SendResult | undefined> {
    const { topic } = content.message;
    const route = await this.#cluster.routes.findForSend(topic, deadline);
    const queue = this.#selectQueue(route, content.message, tries.failedBrokers);
    try {
      const bornTimestampMs = tries.nextBornTimestampMs();
      return await this.#attempt({ ...content, queue, route, bornTimestampMs }, deadline);
    } catch (error) {
      tries.add(queue.brokerName, error);
      const doubt = routeDoubt(error);
      if (doubt !== undefined) this.#cluster.routes.doubt(topic, doubt);
      if (!isRetryable(error) || tries.count >= this.#options.sendAttemptsMax || deadline.remainingMs() === 0)
        throw error;
      return undefined;
    }
  }

  #selectQueue(route: Route, message: OutgoingMessage, failedBrokers: ReadonlySet<string>): MessageQueue {
    const { shardingKey, topic } = message;
    const queue =
      shardingKey === undefined ? this.#turn.next(route, failedBrokers) : queueForKey(route.writeQueues, shardingKey);
    if (queue === undefined) throw new ClientError('noBroker', `no broker takes messages for topic ${topic} now`);
    return queue;
  }

  async #attempt(draft: Draft, deadline: Deadline): Promise<SendResult> {
    const { queue, route } = draft;
    const attempt = deadline.atMost(this.#options.requestTimeoutMs);
    const channel = await this.#cluster.broker(route, queue.brokerName, attempt);
    await this.#checkBody(draft.message.body, channel, attempt);
    const content = sendMessage.encode(await this.#fields(draft, channel, attempt), draft.message.body);
    const reply = await this.#gate(channel).run(() => channel.invoke(content, attempt), attempt);
    return sendResult(draft, channel, decodeReply(reply, channel.address));
  }

  async #fields(draft: Draft, channel: Channel, deadline: Deadline) {
    const { message, half, queue } = draft;
    const delivery = await this.#deliveryProperty(message.delivery, channel, deadline);
    return {
      producerGroup: this.#options.producerGroup,
      topic: message.topic,
      defaultTopic,
      defaultTopicQueueCount: autoCreatedQueueCount,
      queueId: queue.queueId,
      sysFlag: half === undefined ? 0 : SysFlag.TRANSACTION_PREPARED,
      bornTimestampMs: draft.bornTimestampMs,
      flag: 0,
      properties: encodeProperties(propertiesOf(draft, delivery)),
      reconsumeTimes: 0,
      unitMode: false,
      batch: false,
      brokerName: queue.brokerName,
    };
  }

  async #deliveryProperty(delivery: Delivery, channel: Channel, deadline: Deadline) {
    // Only a time depends on the broker's version, which a new connection may still have to ask for.
    const version = delivery.kind === 'time' ? await this.#cluster.heartbeats.versionOf(channel, deadline) : 0;
    return deliveryProperty(delivery, this.#options.vendor, version, Date.now());
  }

  async #checkBody(body: Uint8Array, channel: Channel, deadline: Deadline): Promise<void> {
    if (body.length > 0) return;
    if (!isVersion5(await this.#cluster.heartbeats.versionOf(channel, deadline))) return;
    throw new ClientError('invalid', 'RocketMQ 5 cannot store a message with an empty body');
  }

  #gate(channel: Channel): Gate {
    const known = this.#gates.get(channel);
    if (known !== undefined) return known;
    const gate = new Gate(this.#options.sendsInFlightMax, this.#options.sendsWaitingMax);
    this.#gates.set(channel, gate);
    return gate;
  }
}

/** What is the same in every try of a send. */
interface Content {
  readonly message: OutgoingMessage;
  readonly half: HalfMessageProperties | undefined;
  readonly messageId: string;
}

/** One try of a send. */
interface Draft extends Content {
  readonly bornTimestampMs: number;
  readonly queue: MessageQueue;
  readonly route: Route;
}

function propertiesOf(draft: Draft, delivery: readonly [string, string] | undefined): [string, string][] {
  const { message, half, messageId } = draft;
  const properties: [string, string][] = [];
  for (const [name, value] of message.properties ?? []) properties.push([name, value]);
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') properties.push([name, value]);
  };
  add(MessageProperty.UNIQ_KEY, messageId);
  add(MessageProperty.TAGS, message.tag);
  add(MessageProperty.KEYS, message.keys);
  add(MessageProperty.SHARDING_KEY, message.shardingKey);
  if (delivery !== undefined) add(...delivery);
  if (half !== undefined) {
    add(MessageProperty.TRAN_MSG, 'true');
    add(MessageProperty.PGROUP, half.producerGroup);
    add(MessageProperty.CHECK_IMMUNITY_TIME, half.checkImmunitySeconds?.toString());
  }
  return properties;
}

/** A success that cannot be read is none that the caller may rely on, but the message is stored. */
function decodeReply(reply: Command, address: string): SendMessageReply {
  try {
    return sendMessage.decodeReply(reply, address);
  } catch (cause) {
    if (cause instanceof ResponseError) throw cause;
    throw new RemotingError('malformed', `the answer of ${address} to a send makes no sense`, {
      address,
      outcomeUnknown: true,
      cause,
    });
  }
}

function sendResult(draft: Draft, channel: Channel, reply: SendMessageReply): SendResult {
  const { messageId, queue, bornTimestampMs } = draft;
  return {
    messageId,
    offsetMessageId: reply.messageId,
    queue: { ...queue, queueId: reply.queueId },
    queueOffset: reply.queueOffset,
    bornTimestampMs,
    transactionId: reply.transactionId,
    channel,
  };
}
