import { isJsonObject, type Json, type JsonObject } from '../remoting/json.ts';
import { retryMaxTimesDefault } from '../remoting/requests/get-subscription-group.ts';
import type { SubscriptionGroupSettings } from '../remoting/requests/subscription-groups.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { attributesOf } from './attributes.ts';
import { invalid, RequestRefused } from './refused.ts';
import type { StateLog, StatePart } from './state-log.ts';
import { queueCountMax } from './topics.ts';

/** Java `Validators.CHARACTER_MAX_LENGTH`. */
const groupLengthMax = 255;

export interface GroupsOptions {
  /** Whether a group is made by its first consumer. */
  readonly autoCreate: boolean;
  /** Most groups. */
  readonly groupCountMax: number;
}

/** The consumer groups of the engine. */
export class Groups implements StatePart {
  readonly name = 'groups';
  readonly #options: GroupsOptions;
  readonly #groups = new Map<string, SubscriptionGroupSettings>();

  constructor(options: GroupsOptions) {
    this.#options = options;
  }

  get(name: string): SubscriptionGroupSettings | undefined {
    return this.#groups.get(name);
  }

  all(): Iterable<SubscriptionGroupSettings> {
    return this.#groups.values();
  }

  /** @throws RequestRefused when the settings cannot be; StoreError. */
  async put(group: SubscriptionGroupSettings, state: StateLog): Promise<void> {
    this.#check(group);
    await state.write(this, { put: group as unknown as Json });
  }

  async delete(name: string, state: StateLog): Promise<void> {
    if (this.#groups.has(name)) await state.write(this, { delete: name });
  }

  /**
   * The group of a consumer; where groups may be made by their first consumer, it is made.
   * @throws RequestRefused SUBSCRIPTION_GROUP_NOT_EXIST or INVALID_PARAMETER; StoreError.
   */
  async getOrCreate(name: string, state: StateLog): Promise<SubscriptionGroupSettings> {
    const found = this.#groups.get(name);
    if (found !== undefined) return found;
    if (!this.#options.autoCreate) {
      throw new RequestRefused(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, `there is no group ${name.slice(0, 300)}`);
    }
    const group = newGroup(name);
    await this.put(group, state);
    return group;
  }

  snapshot(): Json {
    return [...this.#groups.values()] as unknown as Json;
  }

  restore(snapshot: Json): void {
    for (const group of Array.isArray(snapshot) ? (snapshot as readonly Json[]) : []) this.apply({ put: group });
  }

  apply(change: Json): void {
    if (!isJsonObject(change)) throw new Error('a change of groups is no object');
    const { put, delete: gone } = change;
    if (typeof gone === 'string') this.#groups.delete(gone);
    if (isJsonObject(put)) {
      const group = readGroup(put);
      this.#groups.set(group.name, group);
    }
  }

  #check({ name, retryMaxTimes, retryQueueCount }: SubscriptionGroupSettings): void {
    if (!/^[%|a-zA-Z0-9_-]+$/.test(name) || name.length > groupLengthMax) {
      throw invalid(`a group has 1 to ${groupLengthMax} letters, digits and characters % | _ -`);
    }
    if (retryQueueCount < 0 || retryQueueCount > queueCountMax) {
      throw invalid(`a group has 0 to ${queueCountMax} retry queues, not ${retryQueueCount}`);
    }
    if (retryMaxTimes < -1) throw invalid(`retryMaxTimes is -1 or more, not ${retryMaxTimes}`);
    const { groupCountMax } = this.#options;
    if (this.#groups.size < groupCountMax || this.#groups.has(name)) return;
    throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `there are ${groupCountMax} groups already: delete some`);
  }
}

/** A group as RocketMQ makes it when nobody says otherwise. */
export function newGroup(name: string): SubscriptionGroupSettings {
  return {
    name,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeBroadcastEnable: true,
    consumeMessageOrderly: false,
    retryQueueCount: 1,
    retryMaxTimes: retryMaxTimesDefault,
    notifyConsumerIdsChanged: true,
    attributes: {},
  };
}

function readGroup(value: JsonObject): SubscriptionGroupSettings {
  const { name, attributes } = value;
  if (typeof name !== 'string') throw new Error('the settings of a group make no sense');
  const start = newGroup(name);
  const flag = (field: keyof SubscriptionGroupSettings & string, otherwise: boolean): boolean =>
    typeof value[field] === 'boolean' ? value[field] : otherwise;
  const count = (field: keyof SubscriptionGroupSettings & string, otherwise: number): number =>
    typeof value[field] === 'number' ? value[field] : otherwise;
  return {
    name,
    consumeEnable: flag('consumeEnable', true),
    consumeFromMinEnable: flag('consumeFromMinEnable', true),
    consumeBroadcastEnable: flag('consumeBroadcastEnable', true),
    consumeMessageOrderly: flag('consumeMessageOrderly', false),
    retryQueueCount: count('retryQueueCount', start.retryQueueCount),
    retryMaxTimes: count('retryMaxTimes', start.retryMaxTimes),
    notifyConsumerIdsChanged: flag('notifyConsumerIdsChanged', true),
    attributes: attributesOf(attributes),
  };
}
