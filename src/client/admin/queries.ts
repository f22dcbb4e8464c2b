import { isIP } from 'node:net';
import type { CommandContent } from '../../remoting/command.ts';
import { decompressBody } from '../../remoting/compression.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { MessageProperty, type MessageQueue } from '../../remoting/message.ts';
import { createOffsetMessageIds, decodeOffsetMessageId } from '../../remoting/message-id.ts';
import { queryMessage, viewMessage } from '../../remoting/requests/query-message.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { decodeStoredMessages, type StoredMessage } from '../../remoting/stored-message.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Route } from '../cluster/route.ts';
import { ClientError } from '../errors.ts';
import type { ClientOptions } from '../options.ts';

/** Most messages of one query, and what is asked of each broker: as many of the largest as fit one answer. */
export const queryCountMax = 32;

/** The highest int64: any time. */
const endOfTime = 2n ** 63n - 1n;

/** A message that was looked up: nothing changes by that for consumers. */
export interface QueriedMessage {
  /** UNIQ_KEY; of a message whose producer set none, its offset message id. */
  readonly messageId: string;
  /** Id that holds the broker's address and the commit log offset. */
  readonly offsetMessageId: string;
  readonly queue: MessageQueue;
  readonly queueOffset: bigint;
  /** As the producer gave it, decompressed. */
  readonly body: Buffer;
  readonly tag: string | undefined;
  readonly keys: readonly string[];
  /** All properties, those of RocketMQ too. */
  readonly properties: ReadonlyMap<string, string>;
  readonly bornTimestampMs: number;
  readonly storeTimestampMs: number;
  /** Address of the producer as the broker saw it. */
  readonly bornHost: string;
  readonly reconsumeTimes: number;
}

/** Which messages with a key are meant. */
export interface KeyRange {
  /** Earliest store time, in ms since 1970. Default: any. */
  readonly beginTimestampMs?: number | undefined;
  /** Latest store time, in ms since 1970. Default: any. */
  readonly endTimestampMs?: number | undefined;
  /** Most messages, 1 to 32. Default: 32. */
  readonly countMax?: number | undefined;
}

interface Search extends KeyRange {
  readonly key: string;
  readonly unique: boolean;
}

/**
 * Looks messages up, at all brokers of a topic. Brokers index what they store a moment later, and find by hashes: what only has the same
 * hash is left out here.
 */
export class Queries {
  readonly #cluster: Cluster;
  readonly #options: Pick<ClientOptions, 'requestTimeoutMs' | 'bodyBytesMax'>;

  constructor(cluster: Cluster, options: Pick<ClientOptions, 'requestTimeoutMs' | 'bodyBytesMax'>) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /**
   * The message of an id, as producers and consumers know it (UNIQ_KEY) or as brokers give it (offset message id); undefined where there
   * is none any more, or not yet.
   * @throws ClientError `invalid`, `noRoute`; ResponseError, RemotingError when a broker that might have it does not answer.
   */
  async byMessageId(topic: string, messageId: string, deadline: Deadline): Promise<QueriedMessage | undefined> {
    checkKey(messageId);
    const route = await this.#route(topic, deadline);
    const found = await this.#byUniqueKey(route, messageId, deadline);
    // Both kinds of ids look alike, so only a look can tell.
    return found ?? this.#byOffsetMessageId(route, messageId, deadline);
  }

  /**
   * Messages with a key, newest first.
   * @throws ClientError `invalid`, `noRoute`; ResponseError, RemotingError when one of the brokers does not answer: it might have more.
   */
  async byKey(topic: string, key: string, range: KeyRange, deadline: Deadline): Promise<readonly QueriedMessage[]> {
    checkKey(key);
    const { countMax = queryCountMax } = range;
    if (!Number.isInteger(countMax) || countMax < 1 || countMax > queryCountMax) {
      throw new ClientError('invalid', `a query finds 1 to ${queryCountMax} messages, not ${countMax}`);
    }
    const route = await this.#route(topic, deadline);
    const search = { ...range, key, unique: false };
    const ofBrokers = await Promise.all(
      [...route.masters.keys()].map((brokerName) => this.#search(route, brokerName, search, deadline)),
    );
    const found = ofBrokers.flat().sort((one, other) => other.storeTimestampMs - one.storeTimestampMs);
    return found.filter(({ keys }) => keys.includes(key)).slice(0, countMax);
  }

  async #byUniqueKey(route: Route, messageId: string, deadline: Deadline): Promise<QueriedMessage | undefined> {
    const search = { key: messageId, unique: true };
    const searches = await Promise.allSettled(
      [...route.masters.keys()].map((brokerName) => this.#search(route, brokerName, search, deadline)),
    );
    const found = searches.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const message = found.find(({ properties }) => properties.get(MessageProperty.UNIQ_KEY) === messageId);
    const failed = searches.find((one) => one.status === 'rejected');
    if (message === undefined && failed !== undefined) throw failed.reason;
    return message;
  }

  /** The address in an id is what somebody claims: it only chooses among the brokers of the route, and the answer must bear it out. */
  async #byOffsetMessageId(route: Route, id: string, deadline: Deadline) {
    const { topic, masters } = route;
    const place = orNone(() => decodeOffsetMessageId(id));
    if (place === undefined) return undefined;
    const { storeHost, commitLogOffset } = place;
    const brokers = [...masters];
    const named = brokers.filter(([, address]) => address === storeHost);
    // Ids hold no host names, routes may.
    const asked = named.length > 0 ? named : brokers.filter(([, address]) => isIP(hostOf(address)) === 0);
    const views = await Promise.all(
      asked.map(async ([brokerName]) => {
        const content = viewMessage.encode({ offset: commitLogOffset, topic });
        const { reply } = await this.#ask(route, brokerName, content, deadline);
        if (reply.code !== ResponseCode.SUCCESS) return undefined;
        // Brokers answer with whatever bytes stand at an offset, also where no message begins.
        const [message] = orNone(() => decodeStoredMessages(reply.body)) ?? [];
        const isMeant = message?.topic === topic && message.storeHost === storeHost;
        return isMeant && message.commitLogOffset === commitLogOffset ? this.#read(message, brokerName) : undefined;
      }),
    );
    return views.find((message) => message !== undefined);
  }

  async #search(
    route: Route,
    brokerName: string,
    search: Search,
    deadline: Deadline,
  ): Promise<readonly QueriedMessage[]> {
    const { topic } = route;
    const { key, unique, beginTimestampMs = 0, endTimestampMs, countMax = queryCountMax } = search;
    const content = queryMessage.encode({
      topic,
      key,
      countMax,
      beginTimestamp: BigInt(beginTimestampMs),
      endTimestamp: endTimestampMs === undefined ? endOfTime : BigInt(endTimestampMs),
      unique,
    });
    const { reply, address } = await this.#ask(route, brokerName, content, deadline);
    if (reply.code === ResponseCode.QUERY_NOT_FOUND) return [];
    if (reply.code !== ResponseCode.SUCCESS) throw new ResponseError(reply.code, reply.remark ?? '', address);
    const messages = decodeStoredMessages(reply.body).filter((message) => message.topic === topic);
    return Promise.all(messages.slice(0, queryCountMax).map((message) => this.#read(message, brokerName)));
  }

  async #ask(route: Route, brokerName: string, content: CommandContent, deadline: Deadline) {
    const attempt = deadline.atMost(this.#options.requestTimeoutMs);
    const channel = await this.#cluster.broker(route, brokerName, attempt);
    return { reply: await channel.invoke(content, attempt), address: channel.address };
  }

  async #route(topic: string, deadline: Deadline): Promise<Route> {
    const route = await this.#cluster.routes.find(topic, deadline);
    if (route !== undefined) return route;
    throw new ClientError('noRoute', `topic ${topic} does not exist`);
  }

  async #read(message: StoredMessage, brokerName: string): Promise<QueriedMessage> {
    const { topic, queueId, properties } = message;
    const offsetMessageId = createOffsetMessageIds(message.storeHost)(Number(message.commitLogOffset));
    return {
      messageId: properties.get(MessageProperty.UNIQ_KEY) ?? offsetMessageId,
      offsetMessageId,
      queue: { topic, brokerName, queueId },
      queueOffset: message.queueOffset,
      body: await decompressBody(message, this.#options.bodyBytesMax),
      tag: properties.get(MessageProperty.TAGS),
      keys: (properties.get(MessageProperty.KEYS) ?? '').split(' ').filter((key) => key !== ''),
      properties,
      bornTimestampMs: message.bornTimestampMs,
      storeTimestampMs: message.storeTimestampMs,
      bornHost: message.bornHost,
      reconsumeTimes: message.reconsumeTimes,
    };
  }
}

/** Undefined for what makes no sense. */
function orNone<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RemotingError) return undefined;
    throw error;
  }
}

function checkKey(key: string): void {
  if (key !== '' && !key.includes(' ')) return;
  throw new ClientError('invalid', 'a key to look for is empty or has a space: spaces separate the keys of a message');
}

/** Without the port. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}
