import { consumeFromDefault } from '../consume-from.ts';
import type { ConsumerOptions } from '../consumer.ts';
import { ClientError } from '../errors.ts';
import type { LocalOffsets } from './local-offsets.ts';
import { PullMember } from './pull-member.ts';
import type { PullParts } from './pull-options.ts';

/** The groups of which this client is a member, each once however many consumers it has here. */
export class PullMembers {
  readonly #parts: PullParts;
  readonly #members = new Map<string, PullMember>();

  constructor(parts: PullParts) {
    this.#parts = parts;
  }

  /** The member of a group that has consumers here. */
  find(group: string): PullMember | undefined {
    return this.#members.get(group);
  }

  /**
   * One more consumer of a group, until `leave` is called. The first one decides how the group receives here.
   * @param local where a broadcast keeps its offsets; what another consumer of the group brought along already is used instead.
   * @throws ClientError `invalid` when that is not how this one wants it.
   */
  join(options: ConsumerOptions, local?: LocalOffsets): { readonly member: PullMember; readonly leave: () => void } {
    const { subscriber, filter, pollDurationMs, orderly = false, consumeFrom = consumeFromDefault } = options;
    const { strategy, reconsumeTimesMax } = options;
    const { group, topic } = subscriber;
    const member =
      this.#members.get(group) ??
      new PullMember(this.#parts, {
        ...{ group, ordered: orderly, suspendDurationMs: pollDurationMs, from: consumeFrom },
        ...{ local, strategy, reconsumeTimesMax },
      });
    if (member.isBroadcast !== (local !== undefined)) {
      const way = member.isBroadcast ? 'is a broadcast' : 'shares its messages';
      throw new ClientError('invalid', `consumer group ${group} ${way} here already; use another group`);
    }
    const leave = member.join(topic, filter, orderly);
    this.#members.set(group, member);
    return {
      member,
      leave: () => {
        leave();
        if (member.consumerCount === 0 && this.#members.get(group) === member) this.#members.delete(group);
      },
    };
  }
}
