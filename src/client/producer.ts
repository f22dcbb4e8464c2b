import type { Channel } from '../remoting/channel.ts';
import type { Deadline } from '../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../remoting/errors.ts';
import { MessageProperty, type MessageQueue } from '../remoting/message.ts';
import { encodeProperties } from '../remoting/message-properties.ts';
import { type SendMessageReply, sendMessage } from '../remoting/requests/send-message.ts';
import { ResponseCode } from '../remoting/response-code.ts';
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
  readonly transactionId: string | undefined;
  /** The connection by which it was stored. */
  readonly channel: Channel;
}

/** What makes a message a half message. */
export interface HalfMessageProperties {
  readonly producerGroup: string;
  readonly checkImmunitySeconds: number | undefined;
}

/** Replies after which another try, best at another broker, may succeed; SYSTEM_ERROR is what brokers say when a disk fails. */
const retryCodes: ReadonlySet<number> = new Set([
  ResponseCode.SYSTEM_ERROR,
  ResponseCode.SYSTEM_BUSY,
  ResponseCode.SERVICE_NOT_AVAILABLE,
  ResponseCode.TOPIC_NOT_EXIST,
  ResponseCode.NOT_LEADER_FOR_QUEUE,
  ResponseCode.GO_AWAY,
]);

/**
 * Sends messages. A failed try is repeated at another broker where there is one, with the same message id, under the deadline of
 * the whole call; sends in flight are bounded for each broker.
 */
export class Producer {
  readonly #cluster: Cluster;
  readonly #options: ClientOptions;
  readonly #createMessageId: () => string;
  readonly #turn = new QueueTurn();
  readonly #gates = new Map<string, Gate>();

  constructor(cluster: Cluster, options: ClientOptions, createMessageId: () => string) {
    this.#cluster = cluster;
    this.#options = options;
    this.#createMessageId = createMessageId;
  }

  /**
   * Stores one message.
   * @throws ClientError `noRoute`, `notStored`, `outcomeUnknown`, `unsupported`, `invalid`; ResponseError when the broker refused
   * the message for good; RemotingError `timeout`, `cancelled` or `overloaded` when nothing was stored.
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
    const failedBrokers = new Set<string>();
    let outcomeUnknown = false;
    for (let attempt = 1; ; attempt += 1) {
      const route = await this.#cluster.routes.findForSend(message.topic, deadline);
      const queue = this.#selectQueue(route, message, failedBrokers);
      try {
        const result = await this.#attempt({ message, half, messageId, queue, route }, deadline);
        if (route.autoCreated) this.#cluster.routes.doubt(message.topic);
        return result;
      } catch (error) {
        outcomeUnknown ||= error instanceof RemotingError && error.outcomeUnknown;
        failedBrokers.add(queue.brokerName);
        if (leadsElsewhere(error)) this.#cluster.routes.doubt(message.topic);
        if (!isRetryable(error) || attempt >= this.#options.sendAttemptsMax || deadline.remainingMs() === 0) {
          throw finalError(error, outcomeUnknown, attempt);
        }
      }
      await deadline.sleep(backoffMs(attempt + 1));
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
    const reply = await this.#gate(channel.address).run(() => channel.invoke(content, attempt), attempt);
    return sendResult(draft, channel, sendMessage.decodeReply(reply, channel.address));
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
      bornTimestampMs: Date.now(),
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

  #gate(address: string): Gate {
    const known = this.#gates.get(address);
    if (known !== undefined) return known;
    const gate = new Gate(this.#options.sendsInFlightMax, this.#options.sendsWaitingMax);
    this.#gates.set(address, gate);
    return gate;
  }
}

interface Draft {
  readonly message: OutgoingMessage;
  readonly half: HalfMessageProperties | undefined;
  readonly messageId: string;
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

function sendResult(draft: Draft, channel: Channel, reply: SendMessageReply): SendResult {
  const { messageId, queue } = draft;
  return {
    messageId,
    offsetMessageId: reply.messageId,
    queue: { ...queue, queueId: reply.queueId },
    queueOffset: reply.queueOffset,
    transactionId: reply.transactionId,
    channel,
  };
}

function isRetryable(error: unknown): boolean {
  if (error instanceof ResponseError) return retryCodes.has(error.code);
  if (error instanceof ClientError) return error.kind === 'noBroker';
  return (
    error instanceof RemotingError && (error.kind === 'connect' || error.kind === 'closed' || error.kind === 'timeout')
  );
}

/** True when the broker was gone, or said that the topic or queue is not its own. */
function leadsElsewhere(error: unknown): boolean {
  if (error instanceof ResponseError) {
    return error.code === ResponseCode.TOPIC_NOT_EXIST || error.code === ResponseCode.NOT_LEADER_FOR_QUEUE;
  }
  return error instanceof RemotingError && (error.kind === 'connect' || error.kind === 'closed');
}

function finalError(error: unknown, outcomeUnknown: boolean, attempts: number): unknown {
  if (outcomeUnknown) {
    return new ClientError(
      'outcomeUnknown',
      `no answer after ${attempts} tries: the message may or may not be stored`,
      error,
    );
  }
  if (!isRetryable(error)) return error;
  return new ClientError('notStored', `the message was not stored in ${attempts} tries`, error);
}
