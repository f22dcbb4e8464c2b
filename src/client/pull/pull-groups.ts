import type { MessageQueue } from '../../remoting/message.ts';
import { ClientError } from '../errors.ts';

/** How far a member has got in one queue that it has, as operators' tools show it. */
export interface QueueProgress {
  /** What is committed. */
  readonly commitOffset: bigint;
  /** Messages that were pulled and are not done. */
  readonly cachedCount: number;
  readonly cachedBytes: number;
  /** First and last of them; 0 where there are none. */
  readonly cachedMinOffset: bigint;
  readonly cachedMaxOffset: bigint;
  /** In ms since 1970; 0: never. */
  readonly lastPullTimestampMs: number;
  readonly lastConsumeTimestampMs: number;
}

/** A group that receives by pull here, as brokers ask for it. */
export interface PullGroup {
  readonly group: string;
  /** Whether it reads each queue in order. */
  readonly orderly: boolean;
  /** When it began, in ms since 1970. */
  readonly startTimestampMs: number;
  /** The queues that it has; undefined where nothing is known of one yet. */
  readonly progress: ReadonlyMap<MessageQueue, QueueProgress | undefined>;
  /** Somebody came to the group, or left it. */
  membersChanged(): void;
  /** An operator moved the group to these offsets; queues that it does not have do not matter. Never fails. */
  reset(offsets: ReadonlyMap<MessageQueue, bigint>): Promise<void>;
}

/** Which groups receive by pull here: what brokers ask of a group goes to its one member in this client. */
export class PullGroups {
  readonly #groups = new Map<string, PullGroup>();

  /**
   * Adds a group, until the returned function is called.
   * @throws ClientError `invalid` when the group has a member here already: brokers could not tell the two apart.
   */
  add(member: PullGroup): () => void {
    const { group } = member;
    if (this.#groups.has(group)) {
      throw new ClientError('invalid', `consumer group ${group} has a member in this client already; use that one`);
    }
    this.#groups.set(group, member);
    return () => {
      if (this.#groups.get(group) === member) this.#groups.delete(group);
    };
  }

  find(group: string): PullGroup | undefined {
    return this.#groups.get(group);
  }
}
