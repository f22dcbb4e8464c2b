import type { Json, JsonObject } from '../remoting/json.ts';
import { isJsonObject } from '../remoting/json.ts';
import { QueuePermission } from '../remoting/requests/get-route.ts';
import type { TopicSettings } from '../remoting/requests/topic-config.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { defaultTopic, SystemTopic, validateTopic } from '../remoting/topic-names.ts';
import { attributesOf } from './attributes.ts';
import { invalid, RequestRefused } from './refused.ts';
import type { StateLog, StatePart } from './state-log.ts';

/** Queues of a topic that is made by its first message (Java `BrokerConfig.defaultTopicQueueNums`). */
const autoCreatedQueueCountMax = 8;
export const queueCountMax = 1_024;
const readWrite = QueuePermission.READ | QueuePermission.WRITE;
/** Bit of TBW102: other topics may be made after it. */
const inherit = 1;

export interface TopicsOptions {
  /** Whether a topic is made by its first message. */
  readonly autoCreate: boolean;
  /** Most topics. */
  readonly topicCountMax: number;
  readonly clusterName: string;
  readonly brokerName: string;
}

/** The topics of the engine. Its own are there from the start and can be neither changed nor deleted. */
export class Topics implements StatePart {
  readonly name = 'topics';
  readonly #options: TopicsOptions;
  readonly #topics = new Map<string, TopicSettings>();
  /** Those that a first message makes and that are not stored yet. */
  readonly #creating = new Map<string, Promise<TopicSettings>>();
  readonly #system: ReadonlySet<string>;

  constructor(options: TopicsOptions) {
    this.#options = options;
    const own = systemTopics(options);
    this.#system = new Set(own.map(({ name }) => name));
    for (const topic of own) this.#topics.set(topic.name, topic);
  }

  get(name: string): TopicSettings | undefined {
    return this.#topics.get(name);
  }

  /** The same, unless its first message is still waiting for it: no message may be stored before its topic, or overtake the first. */
  getStored(name: string): TopicSettings | undefined {
    return this.#creating.has(name) ? undefined : this.#topics.get(name);
  }

  /** @throws RequestRefused TOPIC_NOT_EXIST. */
  require(name: string): TopicSettings {
    const topic = this.#topics.get(name);
    if (topic !== undefined) return topic;
    throw new RequestRefused(
      ResponseCode.TOPIC_NOT_EXIST,
      `there is no topic ${name.slice(0, 200)}: create it, or send to it first`,
    );
  }

  all(): Iterable<TopicSettings> {
    return this.#topics.values();
  }

  isSystem(name: string): boolean {
    return this.#system.has(name);
  }

  /** @throws RequestRefused when the settings cannot be; StoreError. */
  async put(topic: TopicSettings, state: StateLog): Promise<void> {
    this.#check(topic);
    await state.write(this, { put: topic as unknown as Json });
  }

  /** Makes a topic of the engine's own choosing, as those of a group's retries are, where it is not there. @throws StoreError */
  async ensure(topic: TopicSettings, state: StateLog): Promise<void> {
    if (!this.#topics.has(topic.name)) await state.write(this, { put: topic as unknown as Json });
  }

  async delete(name: string, state: StateLog): Promise<void> {
    if (this.isSystem(name)) throw new RequestRefused(ResponseCode.NO_PERMISSION, `${name} is the engine's own topic`);
    if (this.#topics.has(name)) await state.write(this, { delete: name });
  }

  /**
   * The topic of a message; where topics may be made by their first message, it is made.
   * @throws RequestRefused TOPIC_NOT_EXIST or INVALID_PARAMETER; StoreError.
   */
  async getOrCreate(name: string, queueCount: number, state: StateLog): Promise<TopicSettings> {
    const found = this.#creating.get(name) ?? this.#topics.get(name);
    if (found !== undefined) return found;
    if (!this.#options.autoCreate) return this.require(name);
    const count = Math.min(Math.max(queueCount, 1), autoCreatedQueueCountMax);
    const creating = this.#create(newTopic(name, count), state).finally(() => this.#creating.delete(name));
    this.#creating.set(name, creating);
    return creating;
  }

  async #create(topic: TopicSettings, state: StateLog): Promise<TopicSettings> {
    await this.put(topic, state);
    return topic;
  }

  snapshot(): Json {
    const own = [...this.#topics.values()].filter(({ name }) => !this.isSystem(name));
    return own as unknown as Json;
  }

  restore(snapshot: Json): void {
    for (const topic of Array.isArray(snapshot) ? (snapshot as readonly Json[]) : []) this.apply({ put: topic });
  }

  apply(change: Json): void {
    if (!isJsonObject(change)) throw new Error('a change of topics is no object');
    const { put, delete: gone } = change;
    if (typeof gone === 'string') this.#topics.delete(gone);
    if (isJsonObject(put)) {
      const topic = readTopic(put);
      this.#topics.set(topic.name, topic);
    }
  }

  #check(topic: TopicSettings): void {
    const why = validateTopic(topic.name);
    if (why !== undefined) throw invalid(why);
    if (this.isSystem(topic.name))
      throw new RequestRefused(ResponseCode.NO_PERMISSION, `${topic.name} is the engine's own topic`);
    for (const count of [topic.readQueueCount, topic.writeQueueCount]) {
      if (count < 1 || count > queueCountMax) throw invalid(`a topic has 1 to ${queueCountMax} queues, not ${count}`);
    }
    const { topicCountMax } = this.#options;
    if (this.#topics.size >= topicCountMax && !this.#topics.has(topic.name)) {
      throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `there are ${topicCountMax} topics already: delete some`);
    }
  }
}

/** A topic with as many queues for reading as for writing, and nothing special. */
export function newTopic(name: string, queueCount: number): TopicSettings {
  return {
    name,
    readQueueCount: queueCount,
    writeQueueCount: queueCount,
    permission: readWrite,
    sysFlag: 0,
    order: false,
    attributes: {},
  };
}

function systemTopics({ autoCreate, clusterName, brokerName }: TopicsOptions): TopicSettings[] {
  const template = { ...newTopic(defaultTopic, autoCreatedQueueCountMax), permission: readWrite | inherit };
  return [
    ...(autoCreate ? [template] : []),
    ...Object.values(SystemTopic).map((name) => newTopic(name, name === SystemTopic.SCHEDULE ? 18 : 1)),
    newTopic(`${clusterName}_REPLY_TOPIC`, 1),
    newTopic(clusterName, 16),
    newTopic(brokerName, 1),
  ];
}

function readTopic(value: JsonObject): TopicSettings {
  const { name, readQueueCount, writeQueueCount, permission, sysFlag, order, attributes } = value;
  if (typeof name !== 'string' || typeof readQueueCount !== 'number' || typeof writeQueueCount !== 'number') {
    throw new Error('the settings of a topic make no sense');
  }
  return {
    name,
    readQueueCount,
    writeQueueCount,
    permission: typeof permission === 'number' ? permission : readWrite,
    sysFlag: typeof sysFlag === 'number' ? sysFlag : 0,
    order: order === true,
    attributes: attributesOf(attributes),
  };
}
