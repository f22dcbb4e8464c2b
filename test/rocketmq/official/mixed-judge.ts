/** Judges how the members of one group shared what came. Nothing here may import from `src/`: this is the outside judge. */
import type { Offsets } from './group-watch.ts';
import type { Handled } from './members.ts';

/** Where a message was stored. */
export interface Place {
  /** The name of its queue. */
  readonly queue: string;
  readonly queueOffset: number;
}

/** One change of the members, and the quiet time behind it. */
export interface Change {
  /** Offsets that the group had reached, by the brokers' word, just before the change. */
  readonly committed: Offsets;
  /** Ends of the queues when they were shared out anew. */
  readonly settled: Offsets;
  /** The members that have the queues since then, by the names of the queues. */
  readonly owners: ReadonlyMap<string, string>;
}

export interface Play {
  /** By body; each message has one of its own. */
  readonly sent: ReadonlyMap<string, Place>;
  readonly handled: readonly Handled[];
  readonly changes: readonly Change[];
}

/** Two members at work in one queue at the same time. */
export interface Overlap {
  readonly queue: string;
  /** The one that was there before. */
  readonly first: string;
  readonly second: string;
}

export interface Findings {
  readonly lost: readonly string[];
  /** Handled, but not sent here. */
  readonly unknown: readonly string[];
  /** Messages that no change of members can explain, and that were handled more than once or not by the owner of their queue. */
  readonly strayed: readonly string[];
  /** Messages that no change of members could touch. */
  readonly steadyCount: number;
  /** Messages that were handled more than once. */
  readonly repeatedCount: number;
  /** Messages that a change of members may have brought to two of them: `committed` to `settled` of each change. */
  readonly movedCount: number;
  /** Messages that came for the first time behind a later one of their queue. */
  readonly overtaken: readonly string[];
  readonly overlaps: readonly Overlap[];
}

export function judge(play: Play): Findings {
  const byBody = grouped(play.handled, ({ body }) => body);
  const bodies = [...play.sent.keys()];
  const moved = bodies.filter((body) => isMoved(play, body));
  const steady = bodies.filter((body) => !isMoved(play, body));
  return {
    lost: bodies.filter((body) => !byBody.has(body)),
    unknown: [...byBody.keys()].filter((body) => !play.sent.has(body)),
    strayed: steady.filter((body) => {
      const members = (byBody.get(body) ?? []).map(({ member }) => member);
      return members.length !== 1 || members[0] !== ownerOf(play, body);
    }),
    steadyCount: steady.length,
    repeatedCount: bodies.filter((body) => (byBody.get(body)?.length ?? 0) > 1).length,
    movedCount: moved.length,
    overtaken: queuesOf(play).flatMap((handled) => overtakenIn(play, handled)),
    overlaps: queuesOf(play).flatMap((handled) => overlapsIn(play, handled)),
  };
}

/**
 * Whether members could change under a message. A member begins with a queue where its broker says that the group is, and the one before
 * may have worked on what is behind that, until it has dropped the queue: nothing else may come to two members.
 */
function isMoved({ sent, changes }: Play, body: string): boolean {
  const { queue = '', queueOffset = -1 } = sent.get(body) ?? {};
  return changes.some(({ committed, settled }) => {
    return queueOffset >= (committed.get(queue) ?? 0) && queueOffset < (settled.get(queue) ?? 0);
  });
}

/** Of a message that no change could touch. */
function ownerOf({ sent, changes }: Play, body: string): string | undefined {
  const { queue = '', queueOffset = -1 } = sent.get(body) ?? {};
  return changes.findLast(({ settled }) => queueOffset >= (settled.get(queue) ?? 0))?.owners.get(queue);
}

/** What was handled of each queue, in the order of its beginnings. */
function queuesOf({ sent, handled }: Play): readonly (readonly Handled[])[] {
  const byQueue = grouped(handled, ({ body }) => sent.get(body)?.queue);
  const offset = ({ body }: Handled): number => sent.get(body)?.queueOffset ?? -1;
  return [...byQueue.values()].map((inQueue) =>
    inQueue.toSorted((one, other) => one.beginMs - other.beginMs || offset(one) - offset(other)),
  );
}

function overtakenIn({ sent }: Play, handled: readonly Handled[]): readonly string[] {
  let furthest = -1;
  const seen = new Set<string>();
  return handled.flatMap(({ body }) => {
    const offset = sent.get(body)?.queueOffset ?? -1;
    const isLate = !seen.has(body) && offset < furthest;
    seen.add(body);
    furthest = Math.max(furthest, offset);
    return isLate ? [body] : [];
  });
}

function overlapsIn({ sent }: Play, handled: readonly Handled[]): readonly Overlap[] {
  return handled.flatMap(({ body, member: second, beginMs }, index) => {
    const queue = sent.get(body)?.queue ?? '';
    const others = handled.slice(0, index).filter(({ member, endMs }) => member !== second && endMs > beginMs);
    return others.map(({ member: first }) => ({ queue, first, second }));
  });
}

function grouped<T, K>(items: readonly T[], keyOf: (item: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
