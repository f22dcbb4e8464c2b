import { LRUCache } from 'lru-cache';
import type { Channel } from '../../remoting/channel.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import {
  decodeSubscriptionGroup,
  getSubscriptionGroup,
  retryMaxTimesDefault,
  type SubscriptionGroup,
} from '../../remoting/requests/get-subscription-group.ts';
import { decodeGroupSettingsTable, getAllSubscriptionGroups } from '../../remoting/requests/subscription-groups.ts';
import { isVersion5 } from '../../remoting/version.ts';
import { ClientError } from '../errors.ts';
import type { ClientLog } from '../options.ts';

const groupsMax = 4_096;
const freshDurationMs = 60_000;

/** What brokers say of consumer groups, remembered for a minute. */
export class GroupSettings {
  readonly #log: ClientLog;
  readonly #known = new LRUCache<string, SubscriptionGroup>({
    maxSize: groupsMax,
    sizeCalculation: () => 1,
    ttl: freshDurationMs,
  });

  constructor(log: ClientLog) {
    this.#log = log;
  }

  /**
   * Asks a broker for the group, which makes it where brokers create groups by themselves. Where access control lets this client use
   * the group and not see its settings, they are taken to be the default ones.
   * @throws ResponseError SUBSCRIPTION_GROUP_NOT_EXIST where brokers make no groups; ClientError `unauthenticated`; RemotingError.
   */
  async read(group: string, channel: Channel, deadline: Deadline): Promise<SubscriptionGroup> {
    const settings = await this.#ask(group, channel, deadline).catch((error: unknown) => {
      if (error instanceof ClientError && error.kind === 'denied') return { retryMaxTimes: retryMaxTimesDefault };
      throw error;
    });
    this.#known.set(group, settings);
    return settings;
  }

  async #ask(group: string, channel: Channel, deadline: Deadline): Promise<SubscriptionGroup> {
    const reply = await channel.invoke(getSubscriptionGroup.encode({ group }), deadline);
    getSubscriptionGroup.decodeReply(reply, channel.address);
    return decodeSubscriptionGroup(reply);
  }

  /** Redeliveries after which a message of the group is dead; the brokers' default where this one does not say. */
  async retryMaxTimes(group: string, channel: Channel, deadline: Deadline): Promise<number> {
    try {
      const known = this.#known.get(group);
      if (known !== undefined) return known.retryMaxTimes;
      const isNew = channel.serverVersion === undefined || isVersion5(channel.serverVersion);
      const settings = isNew
        ? await this.read(group, channel, deadline)
        : await this.#readAll(group, channel, deadline);
      return settings.retryMaxTimes;
    } catch (error) {
      this.#log.warn({ err: error, group }, 'the settings of a consumer group could not be read');
      return retryMaxTimesDefault;
    }
  }

  /** Brokers 4.x tell only all groups at once. */
  async #readAll(group: string, channel: Channel, deadline: Deadline): Promise<SubscriptionGroup> {
    const reply = await channel.invoke(getAllSubscriptionGroups.encode({}), deadline);
    const settings = decodeGroupSettingsTable(reply, channel.address).find(({ name }) => name === group);
    const known = settings ?? { retryMaxTimes: retryMaxTimesDefault };
    this.#known.set(group, known);
    return known;
  }
}
