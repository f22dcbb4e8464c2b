import type { Answer, Command } from '../remoting/command.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';
import type { Clients } from './clients.ts';
import type { ConsumerOffsets } from './consumer-offsets.ts';
import type { DelayedMessages } from './delayed-messages.ts';
import type { FilterCache } from './filters/filter-cache.ts';
import type { Groups } from './groups.ts';
import type { HalfMessages } from './half-messages.ts';
import type { HeldRequests } from './held-requests.ts';
import type { BrokerOptions } from './options.ts';
import type { PopQueues } from './pop/pop-queues.ts';
import type { QueueLocks } from './queue-locks.ts';
import type { RequestModes } from './request-modes.ts';
import type { StateLog } from './state-log.ts';
import type { Statistics } from './statistics.ts';
import type { MessageDraft, MessageStore, StoredPlace } from './store/message-store.ts';
import type { Topics } from './topics.ts';

/** The parts of a running engine, as processors use them. */
export interface Engine {
  readonly options: BrokerOptions;
  /** When it was started, in ms since 1970. */
  readonly startedMs: number;
  readonly store: MessageStore;
  readonly state: StateLog;
  readonly topics: Topics;
  readonly groups: Groups;
  readonly offsets: ConsumerOffsets;
  readonly held: HeldRequests;
  readonly clients: Clients;
  readonly locks: QueueLocks;
  readonly delayed: DelayedMessages;
  readonly halves: HalfMessages;
  readonly pops: PopQueues;
  readonly requestModes: RequestModes;
  readonly filters: FilterCache;
  readonly statistics: Statistics;
  /** `ip:port` of the broker as a client reaches it, that came to the name server over `connection`. */
  brokerAddress(connection: ServerConnection): string;
  /** Id that says where a message is stored. */
  offsetMessageId(commitLogOffset: number): string;
  /** A new id for a message whose producer gave it none. */
  newMessageId(): string;
  /**
   * Stores messages for their topics, all or none, each at its time where its properties name one.
   * @throws RequestRefused MESSAGE_ILLEGAL; StoreError.
   */
  put(drafts: readonly MessageDraft[]): Promise<readonly StoredPlace[]>;
}

/**
 * Answers one kind of request.
 * @throws RequestRefused, RemotingError `malformed` and StoreError become answers; anything else is a mistake of ours.
 */
export type Processor = (request: Command, connection: ServerConnection, engine: Engine) => Answer | Promise<Answer>;

/** Which processor answers which request codes. */
export type ProcessorTable = readonly (readonly [code: number, processor: Processor])[];
