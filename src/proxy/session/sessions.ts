import { Code } from '@connectrpc/connect';
import { groupLengthMax, topicLengthMax } from '../../remoting/topic-names.ts';
import type { Caller } from '../access/caller.ts';
import type { Engines } from '../engines.ts';
import { ConsumerSession, type DeliverySettings } from '../receive/consumer-session.ts';
import { failure, invalid } from '../rpc/failures.ts';
import { nameInNamespace } from './names.ts';
import { type Newest, Registry } from './registry.ts';
import { payloadBytesMax, SealError, type SealedKind, type Sealer } from './seal.ts';
import {
  type ConsumerFields,
  type ConsumerSpec,
  consumerSpec,
  decodeConsumerSpec,
  decodeProducerSpec,
  encodeConsumerSpec,
  encodeProducerSpec,
  type ProducerSpec,
} from './session-specs.ts';

/** Ids of each kind that are kept in memory. */
export const idsMax = 100_000;
/** Most of them that are listed at once. */
export const listedMax = 1_000;

type IdKind = Extract<SealedKind, 'producer' | 'consumer'>;

export interface SessionsOptions {
  readonly sealer: Sealer;
  readonly engines: Engines;
  readonly delivery: DeliverySettings;
  /** After so long without use a producer no longer counts as active, in ms. */
  readonly producerIdleMs: number;
  /** After so long without use and without a stream what is held for a consumer is let go, in ms. */
  readonly consumerIdleMs: number;
}

/** Producer and consumer ids, sealed so that any instance with the key serves them, and what this proxy holds for each. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #producers = new Registry<ProducerSpec, ProducerSpec>(idsMax, () => {});
  readonly #consumers = new Registry<ConsumerSpec, ConsumerSession>(idsMax, (session) => session.release());

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get activeProducerCount(): number {
    return this.#producers.activeCount(this.#options.producerIdleMs, () => false);
  }

  get activeConsumerCount(): number {
    return this.#consumers.activeCount(this.#options.consumerIdleMs, (session) => session.isReceiving);
  }

  /** @throws ConnectError INVALID_ARGUMENT when the fields are too long for an id. */
  createProducer(fields: Omit<ProducerSpec, 'createdAtMs'>): string {
    const spec = { ...fields, createdAtMs: this.#producers.nextCreationTimeMs() };
    const id = this.#seal('producer', encodeProducerSpec(spec));
    this.#producers.add(id, spec, spec);
    return id;
  }

  /**
   * @throws ConnectError NOT_FOUND for an id that is not of this proxy, not of this caller, was altered, or was cleaned up;
   * PERMISSION_DENIED where the caller may not send to its topic.
   */
  producer(id: string, caller: Caller): ProducerSpec {
    const spec = this.#producers.find(id) ?? this.#readProducer(id);
    if (spec?.owner !== caller.name) {
      // What others' ids take must not tell that these exist.
      if (spec !== undefined) this.#options.sealer.spend('producer');
      throw notFound('producer_id', 'CreateProducer');
    }
    caller.checkPublish(spec.topic);
    return spec;
  }

  /** A session that has no id yet: `register` gives it one once it is open. */
  prepareConsumer(fields: ConsumerFields): ConsumerSession {
    return new ConsumerSession(fields, this.#options.engines, this.#options.delivery);
  }

  /** @throws ConnectError INVALID_ARGUMENT when what the session stands for is too long for an id. */
  register(session: ConsumerSession): string {
    const spec = consumerSpec(session.fields, this.#consumers.nextCreationTimeMs());
    const id = this.#seal('consumer', encodeConsumerSpec(spec));
    this.#consumers.add(id, spec, session);
    return id;
  }

  /**
   * @throws ConnectError NOT_FOUND for an id that is not of this proxy, not of this caller, was altered, or was cleaned up;
   * PERMISSION_DENIED where the caller may not receive from its topic, or not as its group.
   */
  consumer(id: string, caller: Caller): ConsumerSession {
    const session = this.#consumers.find(id) ?? this.#readConsumer(id);
    if (session?.fields.owner !== caller.name) {
      // What others' ids take must not tell that these exist.
      if (session !== undefined) this.#options.sealer.spend('consumer');
      throw notFound('consumer_id', 'CreateConsumer');
    }
    caller.checkSubscribe(session.fields.topic, session.fields.group);
    return session;
  }

  /** @returns how many were ended: none of another caller. */
  cleanUpProducer(id: string, caller: Caller): number {
    const spec = this.#read('producer', id, decodeProducerSpec);
    if (spec?.owner !== caller.name || this.#producers.isCleanedUp(id, spec)) return 0;
    this.#producers.cleanUp(id);
    return 1;
  }

  /** Ends all of a caller's producers of a topic, by its name with or without namespace; of one endpoint where it is named. */
  cleanUpProducers(topic: string, endpoint: string | undefined, { name }: Caller): number {
    if (topic.length > topicLengthMax) return 0;
    const isOf = producersOf(name, topic);
    return this.#producers.cleanUpAll(
      JSON.stringify([topic, endpoint, name]),
      (spec) => isOf(spec) && (endpoint === undefined || spec.endpoint === endpoint),
    );
  }

  /** @returns how many were ended: none of another caller. */
  cleanUpConsumer(id: string, caller: Caller): number {
    const spec = this.#read('consumer', id, decodeConsumerSpec);
    if (spec?.owner !== caller.name || this.#consumers.isCleanedUp(id, spec)) return 0;
    this.#consumers.cleanUp(id);
    return 1;
  }

  /** Ends all of a caller's consumers of a group; of one topic where it is named. */
  cleanUpConsumers(group: string, topic: string | undefined, { name }: Caller): number {
    // No such names were ever taken, and these would be remembered.
    if (group.length > groupLengthMax || (topic ?? '').length > topicLengthMax) return 0;
    return this.#consumers.cleanUpAll(JSON.stringify([group, topic, name]), consumersOf(name, group, topic));
  }

  /** A caller's producers in memory, of a topic where it is named, the newest first: those that `cleanUpProducers` would end. */
  listProducers(topic: string | undefined, { name }: Caller): Newest<ProducerSpec, ProducerSpec> {
    return this.#producers.newest(producersOf(name, topic), listedMax);
  }

  /** A caller's consumers in memory, of a group and a topic where they are named, the newest first. */
  listConsumers(
    group: string | undefined,
    topic: string | undefined,
    { name }: Caller,
  ): Newest<ConsumerSpec, ConsumerSession> {
    return this.#consumers.newest(consumersOf(name, group, topic), listedMax);
  }

  /** Lets go of what idle consumers hold; their ids stay good. */
  sweep(): void {
    this.#consumers.releaseIdle(this.#options.consumerIdleMs, (session) => {
      if (!session.isReceiving) session.release();
    });
  }

  /** Ends every stream. */
  close(): void {
    this.#producers.clear();
    this.#consumers.clear();
  }

  #readProducer(id: string): ProducerSpec | undefined {
    const spec = this.#read('producer', id, decodeProducerSpec);
    if (spec === undefined || this.#producers.isCleanedUp(id, spec)) return undefined;
    return this.#producers.add(id, spec, spec);
  }

  #readConsumer(id: string): ConsumerSession | undefined {
    const spec = this.#read('consumer', id, decodeConsumerSpec);
    if (spec === undefined || this.#consumers.isCleanedUp(id, spec)) return undefined;
    return this.#consumers.add(id, spec, this.prepareConsumer(spec));
  }

  #seal(kind: IdKind, payload: Buffer): string {
    if (payload.length > payloadBytesMax) {
      throw invalid(
        `endpoint, access keys, names and filter have ${payload.length} bytes together; an id holds ${payloadBytesMax}`,
      );
    }
    return this.#options.sealer.seal(kind, payload);
  }

  #read<T>(kind: IdKind, id: string, decode: (bytes: Buffer) => T): T | undefined {
    try {
      return decode(this.#options.sealer.open(kind, id));
    } catch (error) {
      if (error instanceof SealError) return undefined;
      throw error;
    }
  }
}

/** Whether a producer is a caller's, and of a topic where one is named. */
function producersOf(owner: string, topic: string | undefined): (spec: ProducerSpec) => boolean {
  return (spec) => spec.owner === owner && isNamed(spec.topic, topic);
}

/** Whether a consumer is a caller's, and of a group and a topic where they are named. */
function consumersOf(
  owner: string,
  group: string | undefined,
  topic: string | undefined,
): (spec: ConsumerSpec) => boolean {
  return (spec) => spec.owner === owner && isNamed(spec.group, group) && isNamed(spec.topic, topic);
}

/** @param name with or without namespace; undefined: any. */
function isNamed(fullName: string, name: string | undefined): boolean {
  return name === undefined || fullName === name || nameInNamespace(fullName) === name;
}

function notFound(field: string, creator: string) {
  return failure(
    Code.NotFound,
    'ID_NOT_FOUND',
    `${field} is unknown here: it was altered, cleaned up, or made under another seal key; call ${creator} for a new one`,
  );
}
