import type { Subscription } from '../remoting/requests/heartbeat.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';

/** One client in one group. */
export interface Member {
  readonly group: string;
  readonly clientId: string;
  readonly connection: ServerConnection;
  /** Name of the client's language (Java `LanguageCode`). */
  readonly language: string;
  /** `ProtocolVersion` of the client. */
  readonly version: number;
  /** When it was heard of last, on the clock of `performance.now`. */
  readonly heardMs: number;
  /** What it reads; nothing for producers. */
  readonly subscriptions: readonly Subscription[];
}

/** Who is in which group. A client is in a group once, by the connection that it spoke on last. */
export class GroupMembers {
  readonly #groups = new Map<string, Map<string, Member>>();
  readonly #byClientId = new Map<string, Set<Member>>();
  readonly #byConnection = new Map<ServerConnection, Set<Member>>();
  #count = 0;
  #textLength = 0;

  get count(): number {
    return this.#count;
  }

  /** Characters that the members' names and subscriptions hold. */
  get textLength(): number {
    return this.#textLength;
  }

  /** Puts a client into a group; returns who it was there before. */
  put(member: Member): Member | undefined {
    const { group, clientId, connection } = member;
    const before = this.get(group, clientId);
    if (before !== undefined) this.#take(before);
    const members = this.#groups.get(group);
    if (members === undefined) this.#groups.set(group, new Map([[clientId, member]]));
    else members.set(clientId, member);
    add(this.#byClientId, clientId, member);
    add(this.#byConnection, connection, member);
    this.#count += 1;
    this.#textLength += textLengthOf(member);
    return before;
  }

  get(group: string, clientId: string): Member | undefined {
    return this.#groups.get(group)?.get(clientId);
  }

  /** Takes a client out of a group, if it is there by this connection; says whether it was. */
  remove(group: string, clientId: string, connection: ServerConnection): boolean {
    const member = this.get(group, clientId);
    if (member === undefined || member.connection !== connection) return false;
    this.#take(member);
    return true;
  }

  /** Takes out all that are there by a connection, and returns them. */
  removeConnection(connection: ServerConnection): readonly Member[] {
    const members = [...(this.#byConnection.get(connection) ?? [])];
    for (const member of members) this.#take(member);
    return members;
  }

  /** Takes out all that were not heard of since, and returns them. */
  removeSilent(sinceMs: number): readonly Member[] {
    const silent: Member[] = [];
    for (const members of this.#groups.values()) {
      for (const member of members.values()) if (member.heardMs < sinceMs) silent.push(member);
    }
    for (const member of silent) this.#take(member);
    return silent;
  }

  has(group: string): boolean {
    return this.#groups.has(group);
  }

  /** In the order in which they were heard of. */
  of(group: string): readonly Member[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }

  /** A client's places in all groups. */
  ofClient(clientId: string): Iterable<Member> {
    return this.#byClientId.get(clientId) ?? [];
  }

  groups(): readonly string[] {
    return [...this.#groups.keys()];
  }

  #take(member: Member): void {
    const { group, clientId, connection } = member;
    const members = this.#groups.get(group);
    members?.delete(clientId);
    if (members?.size === 0) this.#groups.delete(group);
    take(this.#byClientId, clientId, member);
    take(this.#byConnection, connection, member);
    this.#count -= 1;
    this.#textLength -= textLengthOf(member);
  }
}

/** Characters that a member holds. */
export function textLengthOf({
  group,
  clientId,
  subscriptions,
}: Pick<Member, 'group' | 'clientId' | 'subscriptions'>): number {
  const ofSubscriptions = subscriptions.reduce(
    (sum, { topic, expression }) => sum + topic.length + expression.length,
    0,
  );
  return group.length + clientId.length + ofSubscriptions;
}

function add<K>(index: Map<K, Set<Member>>, key: K, member: Member): void {
  const members = index.get(key);
  if (members === undefined) index.set(key, new Set([member]));
  else members.add(member);
}

function take<K>(index: Map<K, Set<Member>>, key: K, member: Member): void {
  const members = index.get(key);
  members?.delete(member);
  if (members?.size === 0) index.delete(key);
}
