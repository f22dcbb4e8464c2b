import type { QueriedMessage } from '../admin/queries.ts';
import type { CallOptions } from './call.ts';
import { type ClientParts, runOnCluster } from './client-parts.ts';
import { ReceivedMessage } from './received-message.ts';
import { invalidArgument } from './rocketmq-error.ts';

/** Which messages with a key are meant, and how the call differs. */
export interface KeyQuery extends CallOptions {
  /** Stored at this time or later. Default: at any time. */
  readonly from?: Date;
  /** Stored at this time or before. Default: at any time. */
  readonly to?: Date;
  /** Most messages: 1 to 32. Default: 32. */
  readonly countMax?: number;
}

/** A message that was looked up: nothing changes by that for consumers. It cannot be acknowledged. */
export type FoundMessage = ReceivedMessage & {
  /** Id that says where the message lies. */
  readonly offsetMessageId: string;
  /** When the broker stored it, by the broker's clock. */
  readonly storedAt: Date;
  /** `host:port` of the producer, as the broker saw it. */
  readonly bornHost: string;
};

/** Looks messages up. Brokers find what they store a moment later. Needs no `close`. */
export class Queries {
  readonly #parts: ClientParts;

  /** Not for users: `RocketMQClient.queries` makes it. */
  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  /**
   * The message of a `messageId` or `offsetMessageId`; undefined where there is none any more, or not yet.
   * @throws RocketMQError `TOPIC_NOT_FOUND`; `UNREACHABLE`, … where a broker that might have it does not answer.
   */
  byMessageId(topic: string, messageId: string, call: CallOptions = {}): Promise<FoundMessage | undefined> {
    return runOnCluster(this.#parts, call, async ({ queries }, deadline) => {
      const found = await queries.byMessageId(this.#parts.rules.fullTopic(topic), messageId, deadline);
      return found === undefined ? undefined : this.#toFound(found);
    });
  }

  /**
   * Messages with a key, newest first.
   * @throws RocketMQError `TOPIC_NOT_FOUND`; `UNREACHABLE`, … where a broker does not answer that might have more.
   */
  byKey(topic: string, key: string, query: KeyQuery = {}): Promise<readonly FoundMessage[]> {
    return runOnCluster(this.#parts, query, async ({ queries }, deadline) => {
      const { from, to, countMax } = query;
      const range = { beginTimestampMs: timeOf('from', from), endTimestampMs: timeOf('to', to), countMax };
      const found = await queries.byKey(this.#parts.rules.fullTopic(topic), key, range, deadline);
      return found.map((message) => this.#toFound(message));
    });
  }

  #toFound({ queue, queueOffset, ...message }: QueriedMessage): FoundMessage {
    const receipt = { brokerName: queue.brokerName, queueId: queue.queueId, queueOffset };
    const { offsetMessageId, storeTimestampMs, bornHost } = message;
    const received = new ReceivedMessage({ ...message, topic: queue.topic, receipt }, this.#parts.namespace);
    return Object.assign(received, { offsetMessageId, storedAt: new Date(storeTimestampMs), bornHost });
  }
}

function timeOf(name: string, time: Date | undefined): number | undefined {
  if (time === undefined) return undefined;
  if (time instanceof Date && time.getTime() >= 0) return time.getTime();
  throw invalidArgument(`${name} is ${String(time)}; it must be a Date`);
}
