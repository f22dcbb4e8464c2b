import { randomUUID } from 'node:crypto';
import type { Answer, Command } from '../../remoting/command.ts';
import { decompressBody } from '../../remoting/compression.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { MessageProperty } from '../../remoting/message.ts';
import { decodeProperties, encodeProperties } from '../../remoting/message-properties.ts';
import { pushReplyMessage } from '../../remoting/requests/push-reply-message.ts';
import { sendReplyMessage } from '../../remoting/requests/send-reply-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { defaultTopic, replyTopic } from '../../remoting/topic-names.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { ClientError } from '../errors.ts';
import type { ClientOptions } from '../options.ts';
import type { Receipt } from '../receipt.ts';
import type { OutgoingMessage, SendResult } from './outgoing-message.ts';

/** Requests that may wait for their replies, unless the options say another number. */
const requestsWaitingMaxDefault = 8_192;

/** As Java's clients say, in whatever they send (`DefaultMQProducer.defaultTopicQueueNums`). */
const defaultTopicQueueCount = 4;

/** What marks a reply (Java `MixAll.REPLY_MESSAGE_FLAG`). */
const replyMark = 'reply';

/** What answers a request. */
export interface Reply {
  /** UNIQ_KEY of the reply; '' where its sender gave it none. */
  readonly messageId: string;
  /** Decompressed. */
  readonly body: Buffer;
  /** All properties, those of RocketMQ too. */
  readonly properties: ReadonlyMap<string, string>;
  /** By the clock of the one who replied, in ms since 1970. */
  readonly bornTimestampMs: number;
}

/** What of a received message a reply needs. */
export interface AskingMessage {
  readonly properties: ReadonlyMap<string, string>;
  readonly receipt: Pick<Receipt, 'brokerName'>;
}

/** What replies may have besides their body. */
export interface ReplyMore {
  /** User properties; reserved names are the caller's to refuse. */
  readonly properties?: Iterable<readonly [string, string]>;
}

type Options = 'producerGroup' | 'requestTimeoutMs' | 'requestsWaitingMax' | 'bodyBytesMax' | 'log';

type Parts = Pick<ClientOptions, Options> & {
  readonly cluster: Cluster;
  readonly createMessageId: () => string;
  readonly send: (message: OutgoingMessage, deadline: Deadline) => Promise<SendResult>;
};

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/**
 * Messages that are answered. A request is a message like any other, whose properties say who waits for what; its reply goes to a broker
 * that has a connection to that client, and by it at once (Java `DefaultMQProducerImpl.request`, `ReplyMessageProcessor`).
 */
export class RequestReply {
  readonly #parts: Parts;
  readonly #waiting = new Map<string, Waiting>();
  /** Addresses of brokers that were told of this client. */
  readonly #told = new Set<string>();
  #unclaimedCount = 0;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Requests that wait for their replies now. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Replies that came too late, or that answer no request of this client. */
  get unclaimedCount(): number {
    return this.#unclaimedCount;
  }

  /**
   * Sends a message and waits for its reply.
   * @throws whatever `Producer.send` does; RemotingError `timeout` (with `outcomeUnknown`: the message is sent, and may have been worked
   * on) or `cancelled` where no reply comes, `overloaded` where too many wait already; ClientError `closed`.
   */
  async request(message: OutgoingMessage, deadline: Deadline): Promise<Reply> {
    this.#check();
    await this.#tellBrokers(message.topic, deadline);
    this.#check();
    const correlationId = randomUUID();
    const reply = new Promise<Reply>((resolve, reject) => this.#waiting.set(correlationId, { resolve, reject }));
    // It may come, or fail, while the send still waits for its answer.
    reply.catch(() => {});
    try {
      const { messageId } = await this.#parts.send(this.#asking(message, correlationId, deadline), deadline);
      return await this.#await(reply, messageId, deadline);
    } finally {
      this.#waiting.delete(correlationId);
    }
  }

  /**
   * Replies to a request that was received. It goes by the broker that handed the request out, which the requester has sent it to;
   * where that fails, by another broker of the cluster. Where a broker's answer got lost, the requester may get it twice, and takes one.
   * @throws ClientError `invalid` when nobody waits for a reply to that message, or the body is empty; `noRoute`; ResponseError when no
   * broker could hand the reply over: the requester is gone; RemotingError.
   */
  async reply(request: AskingMessage, body: Uint8Array, more: ReplyMore, deadline: Deadline): Promise<void> {
    const { topic, properties } = replyOf(request, body, more, this.#parts.createMessageId());
    const { cluster } = this.#parts;
    const route = await cluster.routes.find(topic, deadline);
    if (route === undefined) throw new ClientError('noRoute', `the cluster has no topic ${topic} for replies`);
    const { brokerName: first } = request.receipt;
    const names = [...route.masters.keys()].sort((one, other) => Number(other === first) - Number(one === first));
    let failure: unknown = new ClientError('noBroker', `no broker takes replies for topic ${topic} now`);
    for (const brokerName of names) {
      deadline.check('sending a reply');
      try {
        const attempt = deadline.atMost(this.#parts.requestTimeoutMs);
        const channel = await cluster.broker(route, brokerName, attempt);
        const answer = await channel.invoke(this.#content(topic, brokerName, properties, body), attempt);
        sendReplyMessage.decodeReply(answer, channel.address);
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /**
   * Takes a reply that a broker hands over. One that nobody waits for is taken too: were it refused, official clients would send it
   * three times and work on its request once more, for nobody.
   */
  async take(request: Command): Promise<Answer> {
    const { bodyBytesMax, log } = this.#parts;
    const fields = pushReplyMessage.decode(request);
    const properties = decodeProperties(fields.properties ?? '');
    const correlationId = properties.get(MessageProperty.CORRELATION_ID) ?? '';
    const waiting = this.#waiting.get(correlationId);
    if (waiting === undefined) {
      this.#unclaimedCount += 1;
      log.debug({ correlationId }, 'a reply came that nobody waits for: its request has timed out');
      return { code: ResponseCode.SUCCESS };
    }
    try {
      const body = await decompressBody({ body: request.body, sysFlag: fields.sysFlag }, bodyBytesMax);
      const messageId = properties.get(MessageProperty.UNIQ_KEY) ?? '';
      waiting.resolve({ messageId, body, properties, bornTimestampMs: fields.bornTimestampMs });
    } catch (error) {
      waiting.reject(error);
    }
    return { code: ResponseCode.SUCCESS };
  }

  /** Requests that wait fail as `closed`, later ones too. */
  close(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.values()) reject(closedError());
  }

  #check(): void {
    if (this.#isClosed) throw closedError();
    const { requestsWaitingMax = requestsWaitingMaxDefault } = this.#parts;
    if (this.#waiting.size < requestsWaitingMax) return;
    throw new RemotingError('overloaded', `${requestsWaitingMax} requests are waiting for their replies`);
  }

  async #await(reply: Promise<Reply>, messageId: string, deadline: Deadline): Promise<Reply> {
    try {
      return await deadline.wait(reply, `waiting for the reply to message ${messageId}`);
    } catch (error) {
      if (!(error instanceof RemotingError) || error.kind !== 'timeout') throw error;
      throw new RemotingError('timeout', `no reply to message ${messageId} came in time`, {
        outcomeUnknown: true,
        cause: error,
      });
    }
  }

  /**
   * Makes sure that each broker of the topic knows this client before the first request leaves: official clients send a reply to any of
   * them. A broker that cannot be reached now hands out no request either.
   */
  async #tellBrokers(topic: string, deadline: Deadline): Promise<void> {
    const { cluster } = this.#parts;
    const route = await cluster.routes.findForSend(topic, deadline);
    const strangers = [...route.masters].filter(([, address]) => !this.#told.has(address));
    await Promise.all(
      strangers.map(async ([brokerName, address]) => {
        this.#told.add(address);
        const channel = await cluster.broker(route, brokerName, deadline).catch(() => undefined);
        if (channel !== undefined) await cluster.heartbeats.beatAll([channel]);
      }),
    );
  }

  #asking(message: OutgoingMessage, correlationId: string, deadline: Deadline): OutgoingMessage {
    return {
      ...message,
      properties: [
        ...(message.properties ?? []),
        [MessageProperty.CORRELATION_ID, correlationId],
        [MessageProperty.REPLY_TO_CLIENT, this.#parts.cluster.clientId],
        [MessageProperty.TTL, String(Math.ceil(deadline.remainingMs()))],
      ],
    };
  }

  #content(topic: string, brokerName: string, properties: string, body: Uint8Array) {
    const { producerGroup } = this.#parts;
    const fields = { producerGroup, topic, queueId: 0, sysFlag: 0, bornTimestampMs: Date.now(), flag: 0 };
    // Brokers hand these two on as they are, and clients must get them.
    const made = { defaultTopic, defaultTopicQueueCount };
    return sendReplyMessage.encode({ ...fields, ...made, properties, brokerName }, body);
  }
}

/** Where a reply goes and what it says of itself (Java `MessageUtil.createReplyMessage`). @throws ClientError `invalid`. */
function replyOf({ properties }: AskingMessage, body: Uint8Array, more: ReplyMore, messageId: string) {
  const clusterName = properties.get(MessageProperty.CLUSTER);
  const correlationId = properties.get(MessageProperty.CORRELATION_ID);
  const clientId = properties.get(MessageProperty.REPLY_TO_CLIENT);
  if (clusterName === undefined || correlationId === undefined || clientId === undefined) {
    throw new ClientError('invalid', 'the message was not sent as a request, so that nobody waits for a reply');
  }
  if (body.length === 0) throw new ClientError('invalid', 'a reply has an empty body: RocketMQ would not take it');
  const own: readonly (readonly [string, string])[] = [
    [MessageProperty.UNIQ_KEY, messageId],
    [MessageProperty.MSG_TYPE, replyMark],
    [MessageProperty.CORRELATION_ID, correlationId],
    [MessageProperty.REPLY_TO_CLIENT, clientId],
    [MessageProperty.TTL, properties.get(MessageProperty.TTL) ?? ''],
  ];
  return { topic: replyTopic(clusterName), properties: encodeProperties([...(more.properties ?? []), ...own]) };
}

function closedError(): ClientError {
  return new ClientError('closed', 'the client has been closed');
}
