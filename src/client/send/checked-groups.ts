import { Deadline } from '../../remoting/deadline.ts';
import type { ClusterClient } from '../client.ts';
import type { ClientLog } from '../options.ts';
import type { TransactionCheck } from './transaction-checks.ts';
import type { CheckedGroup } from './transaction-groups.ts';
import { WaitingChecks } from './waiting-checks.ts';

/** How often the brokers of a topic are looked for again, in ms: they ask nobody whose connection was lost. */
export const reachIntervalMs = 5_000;
/** Longest time of such a look, in ms. */
const reachTimeoutMs = 14_000;

/** One stream of checks. */
export interface OpenChecks {
  readonly waiting: WaitingChecks;
  /** Resolves when a broker knows that it can ask here. @throws as `CheckedGroup.reach`. */
  reach(deadline: Deadline): Promise<void>;
  /** The stream has ended. */
  close(): void;
}

interface Topic {
  readonly waiting: WaitingChecks;
  readonly reaching: NodeJS.Timeout;
  streamCount: number;
}

interface Group {
  readonly member: CheckedGroup;
  readonly topics: Map<string, Topic>;
}

/** The producer groups whose checks somebody receives: each is joined with its first stream and left with its last. */
export class CheckedGroups {
  readonly #log: ClientLog;
  readonly #groups = new Map<ClusterClient, Map<string, Group>>();
  readonly #leaving = new Map<ClusterClient, Promise<void>>();

  constructor(log: ClientLog) {
    this.#log = log;
  }

  /** One more stream of the checks of a group that are about a topic. */
  async open(client: ClusterClient, name: string, topic: string): Promise<OpenChecks> {
    // What takes a group off the brokers must not meet what brings it back.
    while (this.#leaving.has(client)) await this.#leaving.get(client);
    const group = this.#groupOf(client, name);
    const opened = this.#topicOf(group, topic);
    opened.streamCount += 1;
    return {
      waiting: opened.waiting,
      reach: (deadline) => group.member.reach(topic, deadline),
      close: () => {
        opened.streamCount -= 1;
        if (opened.streamCount > 0) return;
        clearInterval(opened.reaching);
        group.topics.delete(topic);
        if (group.topics.size === 0) this.#leave(client, name, group);
      },
    };
  }

  #groupOf(client: ClusterClient, name: string): Group {
    const groups = this.#groups.get(client) ?? new Map<string, Group>();
    this.#groups.set(client, groups);
    const known = groups.get(name);
    if (known !== undefined) return known;
    const topics = new Map<string, Topic>();
    const group = { member: client.transactionGroups.listen(name, (check) => this.#add(topics, check)), topics };
    groups.set(name, group);
    return group;
  }

  #topicOf({ member, topics }: Group, topic: string): Topic {
    const known = topics.get(topic);
    if (known !== undefined) return known;
    const reach = (): void => {
      member.reach(topic, Deadline.after(reachTimeoutMs)).catch((error: unknown) => {
        this.#log.debug({ err: error, topic }, 'no broker can be told that its transaction checks are received here');
      });
    };
    const opened = {
      waiting: new WaitingChecks(),
      reaching: setInterval(reach, reachIntervalMs).unref(),
      streamCount: 0,
    };
    topics.set(topic, opened);
    return opened;
  }

  #add(topics: ReadonlyMap<string, Topic>, check: TransactionCheck): void {
    const { topic, messageId } = check.half;
    if (topics.get(topic)?.waiting.add(check) === true) return;
    this.#log.debug({ topic, messageId }, 'nobody receives a transaction check now; the broker will ask again');
  }

  #leave(client: ClusterClient, name: string, { member }: Group): void {
    const groups = this.#groups.get(client);
    groups?.delete(name);
    if (groups?.size === 0) this.#groups.delete(client);
    const leaving = Promise.all([this.#leaving.get(client), member.leave()]).then(() => {
      if (this.#leaving.get(client) === leaving) this.#leaving.delete(client);
    });
    this.#leaving.set(client, leaving);
  }
}
