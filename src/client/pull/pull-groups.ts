import { ClientError } from '../errors.ts';

/** A group that receives by pull here, as brokers ask for it. */
export interface PullGroup {
  readonly group: string;
  /** Somebody came to the group, or left it. */
  membersChanged(): void;
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
