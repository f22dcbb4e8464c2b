import type { Channel } from '../../remoting/channel.ts';
import type { Command, CommandContent } from '../../remoting/command.ts';
import { asBuffer } from '../../remoting/command-codec.ts';
import { canCompress, compressBody, type SentBody } from '../../remoting/compression.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { frameBytesMaxDefault } from '../../remoting/frame.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { encodeBatch, type OutgoingRecord } from '../../remoting/message-batch.ts';
import { encodeProperties } from '../../remoting/message-properties.ts';
import { type SendMessageReply, sendBatchMessage, sendMessage } from '../../remoting/requests/send-message.ts';
import { SysFlag } from '../../remoting/sys-flag.ts';
import { defaultTopic } from '../../remoting/topic-names.ts';
import { isVersion5 } from '../../remoting/version.ts';
import { backoffMs } from '../backoff.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { autoCreatedQueueCount, type Route } from '../cluster/route.ts';
import { ClientError } from '../errors.ts';
import { observeBatch, observeSend } from '../observer.ts';
import type { ClientOptions } from '../options.ts';
import { BatchError, type BatchPart, outcomesOf, splitBatch } from './batches.ts';
import { type Delivery, deliveryProperty } from './delivery.ts';
import { Gate } from './gate.ts';
import {
  type HalfMessageProperties,
  type OutgoingMessage,
  type SendResult,
  storedProperties,
} from './outgoing-message.ts';
import { isGroupable, SendGroups } from './send-groups.ts';
import { type Addressee, SendPaths } from './send-paths.ts';
import { SendTries } from './send-tries.ts';

/** What brokers call their region, unless told otherwise (Java `MixAll.DEFAULT_TRACE_REGION_ID`). */
const defaultRegion = 'DefaultRegion';
/** Longest body, of one message or a batch, that fits a frame with all that may be around it. */
const sentBodyBytesMax = frameBytesMaxDefault - 131_072;

/**
 * Sends messages. A failed try is repeated at another broker where there is one, with the same message id, under the deadline of
 * the whole call; sends in flight are bounded for each broker.
 */
export class Producer {
  readonly #cluster: Cluster;
  readonly #options: ClientOptions;
  readonly #createMessageId: () => string;
  readonly #paths: SendPaths;
  readonly #gates = new WeakMap<Channel, Gate>();
  /** Undefined where each message has a request of its own. */
  readonly #groups: SendGroups | undefined;

  /** @throws ClientError `unsupported` when this Node cannot compress as the options say. */
  constructor(cluster: Cluster, options: ClientOptions, createMessageId: () => string) {
    checkCompression(options);
    this.#cluster = cluster;
    this.#options = options;
    this.#paths = new SendPaths(cluster.routes, options.sendAttemptsMax);
    this.#createMessageId = createMessageId;
    this.#groups = this.#createGroups();
  }

  #createGroups(): SendGroups | undefined {
    const { sendGroupCountMax: countMax, batchBytesMax: bytesMax, sendsInFlightMax, sendsWaitingMax } = this.#options;
    if (countMax === 1) return undefined;
    return new SendGroups({
      countMax,
      bytesMax,
      waitingMax: sendsInFlightMax + sendsWaitingMax,
      turn: this.#cluster.brokers.turn,
      sendOne: (message, deadline) => this.#sendOne(message, undefined, deadline),
      sendAll: (messages, deadline) => this.#sendGroup(messages, deadline),
    });
  }

  /**
   * Stores one message.
   * @throws ClientError `noRoute`, `noBroker`, `notStored`, `outcomeUnknown`, `unsupported`, `invalid`, `closed`; ResponseError when
   * the broker refused the message for good; RemotingError `connect` when no name server answers, `timeout`, `cancelled`,
   * `overloaded` or `malformed`. Of all these only `outcomeUnknown` leaves open whether the message is stored.
   */
  send(message: OutgoingMessage, deadline: Deadline): Promise<SendResult> {
    return observeSend(this.#options.observer, message, 'normal', (one) =>
      this.#groups !== undefined && isGroupable(one) && !this.#isCompressed(one.body)
        ? this.#groups.send(one, deadline)
        : this.#sendOne(one, undefined, deadline),
    );
  }

  /** Stores a half message: nobody receives it before its transaction is committed. Fails as `send` does. */
  sendHalf(message: OutgoingMessage, half: HalfMessageProperties, deadline: Deadline): Promise<SendResult> {
    return observeSend(this.#options.observer, message, 'half', (one) => this.#sendOne(one, half, deadline));
  }

  /**
   * Stores several messages of one topic, cheaper for the broker than one by one. One request stores up to `batchBytesMax` bytes and
   * `batchCountMax` messages, all of them or none, in one queue; more go in as many requests as it takes, one after the other. They are
   * not compressed, as Java's batches are not.
   * @returns one result for each message, in order.
   * @throws BatchError that says of each message whether it is stored; its `cause` is what `send` would have failed with. ClientError
   * `invalid` and RemotingError `malformed`, for messages that no batch can have, before any is sent.
   */
  sendBatch(messages: readonly OutgoingMessage[], deadline: Deadline): Promise<readonly SendResult[]> {
    return observeBatch(this.#options.observer, messages, (all) => this.#sendAll(all, deadline));
  }

  async #sendAll(messages: readonly OutgoingMessage[], deadline: Deadline): Promise<readonly SendResult[]> {
    const first = checkBatch(messages);
    const drafts = messages.map((message) => this.#batchDraft(message));
    const results: SendResult[] = [];
    const sizes = drafts.map(({ record }) => record.length);
    for (const part of splitBatch(sizes, this.#options)) {
      try {
        results.push(...(await this.#sendPart(first, drafts.slice(part.start, part.end), deadline)));
      } catch (error) {
        throw batchError(drafts, results, part, error);
      }
    }
    return results;
  }

  #batchDraft(message: OutgoingMessage): BatchDraft {
    const messageId = this.#createMessageId();
    return { messageId, record: encodeBatch([this.#record(message, messageId)]) };
  }

  #record(message: OutgoingMessage, messageId: string): OutgoingRecord {
    const properties = storedProperties(message, messageId, { namespace: this.#options.namespace });
    return { flag: 0, body: message.body, properties, propertyBytes: message.propertyBytes };
  }

  #sendPart(first: OutgoingMessage, drafts: readonly BatchDraft[], deadline: Deadline): Promise<SendResult[]> {
    const messageIds = drafts.map(({ messageId }) => messageId);
    return this.#storeBatch(first, { messageIds, body: Buffer.concat(drafts.map(({ record }) => record)) }, deadline);
  }

  /** One request for all. */
  async #sendGroup(messages: readonly OutgoingMessage[], deadline: Deadline): Promise<SendResult[]> {
    const first = checkBatch(messages);
    const messageIds = messages.map(() => this.#createMessageId());
    const body = encodeBatch(messages.map((message, index) => this.#record(message, messageIds[index] ?? '')));
    return this.#storeBatch(first, { messageIds, body }, deadline);
  }

  async #storeBatch(
    { topic, shardingKey }: OutgoingMessage,
    { messageIds, body }: Batch,
    deadline: Deadline,
  ): Promise<SendResult[]> {
    const content = async (place: Place): Promise<CommandContent> =>
      sendBatchMessage.encode({ ...this.#fields(topic, place), batch: true }, body);
    const stored = await this.#store({ topic, shardingKey, content }, deadline);
    const offsetIds = stored.reply.messageId.split(',');
    return messageIds.map((messageId, index) => sendResult(stored, messageId, offsetIds[index] ?? '', BigInt(index)));
  }

  async #sendOne(
    message: OutgoingMessage,
    half: HalfMessageProperties | undefined,
    deadline: Deadline,
  ): Promise<SendResult> {
    const { topic, shardingKey } = message;
    const { namespace } = this.#options;
    const messageId = this.#createMessageId();
    const sent = this.#isCompressed(message.body) ? await this.#compress(message.body, deadline) : plain(message.body);
    const sysFlag = sent.sysFlag | (half === undefined ? 0 : SysFlag.TRANSACTION_PREPARED);
    const content = async (place: Place, channel: Channel, attempt: Deadline): Promise<CommandContent> => {
      await this.#checkBody(message.body, channel, attempt);
      const delivery = await this.#deliveryProperty(message.delivery, channel, attempt);
      const others = encodeProperties(storedProperties(message, messageId, { delivery, half, namespace }));
      const properties = message.propertyBytes === undefined ? others : message.propertyBytes.toString() + others;
      return sendMessage.encode({ ...this.#fields(topic, place), sysFlag, properties }, sent.body);
    };
    const stored = await this.#store({ topic, shardingKey, content }, deadline);
    return sendResult(stored, messageId, stored.reply.messageId, 0n);
  }

  /** What receivers could not unfold again is sent as it is. */
  #isCompressed({ length }: Uint8Array): boolean {
    const { compression, bodyBytesMax } = this.#options;
    return compression.type !== 'none' && length >= compression.overBytes && length <= bodyBytesMax;
  }

  #compress(body: Uint8Array, deadline: Deadline): Promise<SentBody> {
    const { type } = this.#options.compression;
    return type === 'none'
      ? Promise.resolve(plain(body))
      : deadline.wait(compressBody(body, type), 'compressing a body');
  }

  async #store(sending: Sending, deadline: Deadline): Promise<Stored> {
    const tries = new SendTries();
    try {
      for (;;) {
        const stored = await this.#try(sending, tries, deadline);
        if (stored !== undefined) return stored;
        await deadline.sleep(backoffMs(tries.count + 1));
      }
    } catch (error) {
      throw tries.finalError(error, deadline);
    }
  }

  /** Undefined when it failed and another try may succeed. */
  async #try(sending: Sending, tries: SendTries, deadline: Deadline): Promise<Stored | undefined> {
    const { topic } = sending;
    const route = await this.#cluster.routes.findForSend(topic, deadline);
    const queue = this.#paths.select(route, sending, tries);
    try {
      const bornTimestampMs = tries.nextBornTimestampMs();
      const stored = await this.#attempt(sending, { queue, route, bornTimestampMs }, deadline);
      this.#paths.noteStored(queue.brokerName);
      return stored;
    } catch (error) {
      tries.add(queue.brokerName, error);
      if (await this.#paths.mayTryAgain(sending, { queue, route }, tries, { error, deadline })) return undefined;
      throw error;
    }
  }

  async #attempt(sending: Sending, place: Place, deadline: Deadline): Promise<Stored> {
    const attempt = deadline.atMost(this.#options.requestTimeoutMs);
    const { brokerName } = place.queue;
    const channel = await this.#cluster.broker(place.route, brokerName, attempt);
    const content = await sending.content(place, channel, attempt);
    checkSize(content);
    const invoke = (): Promise<Command> => this.#paths.timed(brokerName, () => channel.invoke(content, attempt));
    const reply = await this.#gate(channel).run(invoke, attempt);
    const { queue, route, bornTimestampMs } = place;
    return { queue, route, bornTimestampMs, channel, reply: decodeReply(reply, channel.address) };
  }

  #fields(topic: string, { queue, bornTimestampMs }: Place) {
    return {
      producerGroup: this.#options.producerGroup,
      topic,
      defaultTopic,
      defaultTopicQueueCount: autoCreatedQueueCount,
      queueId: queue.queueId,
      sysFlag: 0,
      bornTimestampMs,
      flag: 0,
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
interface Sending extends Addressee {
  /** The request for one try. */
  content(place: Place, channel: Channel, attempt: Deadline): Promise<CommandContent>;
}

/** One message of a batch, as it is sent. */
interface BatchDraft {
  readonly messageId: string;
  readonly record: Buffer;
}

/** Messages that one request stores. */
interface Batch {
  readonly messageIds: readonly string[];
  readonly body: Buffer;
}

/** Where and when one try goes. */
interface Place {
  readonly bornTimestampMs: number;
  readonly queue: MessageQueue;
  readonly route: Route;
}

/** The try that succeeded. */
interface Stored extends Place {
  readonly channel: Channel;
  readonly reply: SendMessageReply;
}

function plain(body: Uint8Array): SentBody {
  return { body: asBuffer(body), sysFlag: 0 };
}

function checkCompression({ compression: { type } }: ClientOptions): void {
  if (type === 'none' || canCompress(type)) return;
  throw new ClientError('unsupported', 'Node can write ZSTD from 22.15 on: update it, or compress with zlib or lz4');
}

function batchError(
  drafts: readonly BatchDraft[],
  stored: readonly SendResult[],
  failed: BatchPart,
  error: unknown,
): BatchError {
  const messageIds = drafts.map(({ messageId }) => messageId);
  return new BatchError(outcomesOf(messageIds, stored, failed, error), error);
}

/** @throws ClientError `invalid`, saying what messages of one batch must have in common. */
function checkBatch(messages: readonly OutgoingMessage[]): OutgoingMessage {
  const [first] = messages;
  if (first === undefined) throw new ClientError('invalid', 'a batch has no messages');
  for (const { topic, shardingKey, delivery, body } of messages) {
    if (topic !== first.topic) throw new ClientError('invalid', 'the messages of a batch must have one topic');
    if (shardingKey !== first.shardingKey)
      throw new ClientError(
        'invalid',
        'the messages of a batch must have one sharding key, since they go to one queue',
      );
    // Brokers ignore the delay of a message in a batch and deliver at once.
    if (delivery.kind !== 'now') throw new ClientError('invalid', 'a message of a batch cannot be delivered later');
    if (body.length === 0) throw new ClientError('invalid', 'a message of a batch has an empty body');
  }
  return first;
}

/** @throws ClientError `invalid` for what a broker would end the connection over. */
function checkSize({ body }: CommandContent): void {
  const length = body?.length ?? 0;
  if (length <= sentBodyBytesMax) return;
  throw new ClientError('invalid', `a body of ${length} bytes is over the ${sentBodyBytesMax} that can be sent`);
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

/** @param index of the message among those that were stored together. */
function sendResult(stored: Stored, messageId: string, offsetMessageId: string, index: bigint): SendResult {
  const { queue, reply, bornTimestampMs, channel } = stored;
  return {
    messageId,
    offsetMessageId,
    queue: { ...queue, queueId: reply.queueId },
    queueOffset: reply.queueOffset + index,
    bornTimestampMs,
    transactionId: reply.transactionId,
    recallHandle: reply.recallHandle,
    region: reply.traceOn === false ? undefined : (reply.region ?? defaultRegion),
    channel,
  };
}
