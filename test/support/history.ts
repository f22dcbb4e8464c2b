/** What happened in a run, and what is wrong with it: the one judge of every fault test. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What a producer was told. `unknown`: the message may or may not be stored. */
export type SendOutcome = 'stored' | 'notStored' | 'unknown';

export interface SendEvent {
  readonly op: 'send';
  readonly id: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome: SendOutcome;
}

/** One delivery of one stored copy of a message. */
export interface DeliveryEvent {
  readonly op: 'delivery';
  readonly id: string;
  /** `broker/topic/queueId`: copies of a message differ in it, or in the offset. */
  readonly queue: string;
  readonly queueOffset: number;
  /** Tells the tries of one send apart, e.g. the born time; copies of one try have the same. */
  readonly attempt: string;
  readonly atMs: number;
  /** Messages of one key must be delivered in the order of `sequence`. */
  readonly key?: string;
  readonly sequence?: number;
}

/** The answer to an ack of a delivered copy. */
export interface AckEvent {
  readonly op: 'ack';
  readonly id: string;
  readonly queue: string;
  readonly queueOffset: number;
  readonly endMs: number;
  /** Answered as a success, within the invisible duration. */
  readonly inTime: boolean;
}

/** A consumer offset as a broker was told it. */
export interface CommitEvent {
  readonly op: 'commit';
  readonly queue: string;
  readonly queueOffset: number;
}

export type HistoryEvent = SendEvent | DeliveryEvent | AckEvent | CommitEvent;

/** What is wrong; ids of messages, or texts that say where. */
export interface Verdict {
  readonly sentCount: number;
  readonly storedCount: number;
  readonly unknownCount: number;
  readonly notStoredCount: number;
  /** Told "stored", never delivered. */
  readonly lost: readonly string[];
  /** Told "not stored", and delivered. */
  readonly falselyRefused: readonly string[];
  /** Delivered, and never sent. */
  readonly invented: readonly string[];
  /** Two copies of one try, or a delivery after an ack that was answered in time. */
  readonly unexpectedDuplicates: readonly string[];
  /** Messages with a copy for more than one try. */
  readonly retriedDuplicates: readonly string[];
  /** First deliveries of a key, or of a queue, that overtook another. */
  readonly disorder: readonly string[];
  /** Commits that went back. */
  readonly offsetsBack: readonly string[];
}

/** Keeps what happens in the order in which it is told. */
export class History {
  readonly events: HistoryEvent[] = [];

  add(event: HistoryEvent): void {
    this.events.push(event);
  }

  /** As JSON lines, for whoever wants to know why. */
  write(path: string): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, this.events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  judge(): Verdict {
    const sends = this.#of('send');
    const deliveries = this.#of('delivery');
    const delivered = groupBy(deliveries, ({ id }) => id);
    const told = (outcome: SendOutcome): SendEvent[] => sends.filter((send) => send.outcome === outcome);
    const unknownIds = new Set(told('unknown').map(({ id }) => id));
    const sentIds = new Set(sends.map(({ id }) => id));
    return {
      sentCount: sends.length,
      storedCount: told('stored').length,
      unknownCount: told('unknown').length,
      notStoredCount: told('notStored').length,
      lost: told('stored').flatMap(({ id }) => (delivered.has(id) ? [] : [id])),
      falselyRefused: told('notStored').flatMap(({ id }) => (delivered.has(id) ? [id] : [])),
      invented: [...delivered.keys()].filter((id) => !sentIds.has(id)),
      unexpectedDuplicates: [...copiesOfOneTry(delivered), ...deliveredAfterAck(deliveries, this.#of('ack'))],
      retriedDuplicates: [...delivered].flatMap(([id, list]) => (attempts(list).size > 1 ? [id] : [])),
      disorder: [...overtakenKeys(deliveries, unknownIds), ...overtakenOffsets(deliveries)],
      offsetsBack: steppedBack(this.#of('commit')),
    };
  }

  #of<Op extends HistoryEvent['op']>(op: Op): Extract<HistoryEvent, { op: Op }>[] {
    return this.events.filter((event): event is Extract<HistoryEvent, { op: Op }> => event.op === op);
  }
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function copyOf({ queue, queueOffset }: Pick<DeliveryEvent, 'queue' | 'queueOffset'>): string {
  return `${queue}@${queueOffset}`;
}

function attempts(deliveries: readonly DeliveryEvent[]): Set<string> {
  return new Set(deliveries.map(({ attempt }) => attempt));
}

function copiesOfOneTry(delivered: ReadonlyMap<string, readonly DeliveryEvent[]>): string[] {
  return [...delivered].flatMap(([id, deliveries]) =>
    new Set(deliveries.map(copyOf)).size > attempts(deliveries).size ? [id] : [],
  );
}

function deliveredAfterAck(deliveries: readonly DeliveryEvent[], acks: readonly AckEvent[]): string[] {
  const ackedAtMs = new Map<string, number>();
  for (const ack of acks) {
    if (ack.inTime) ackedAtMs.set(copyOf(ack), Math.min(ack.endMs, ackedAtMs.get(copyOf(ack)) ?? ack.endMs));
  }
  return deliveries.flatMap((delivery) =>
    delivery.atMs > (ackedAtMs.get(copyOf(delivery)) ?? Infinity) ? [delivery.id] : [],
  );
}

/** The first delivery of each copy, in order. */
function firstDeliveries(deliveries: readonly DeliveryEvent[]): DeliveryEvent[] {
  const seen = new Set<string>();
  return deliveries.filter((delivery) => {
    const isFirst = !seen.has(copyOf(delivery));
    seen.add(copyOf(delivery));
    return isFirst;
  });
}

/** Of a message that is stored twice, the first delivery counts; nobody waited for one whose outcome is unknown. */
function overtakenKeys(deliveries: readonly DeliveryEvent[], unknownIds: ReadonlySet<string>): string[] {
  const last = new Map<string, number>();
  const seen = new Set(unknownIds);
  return deliveries.flatMap(({ id, key, sequence }) => {
    if (key === undefined || sequence === undefined || seen.has(id)) return [];
    seen.add(id);
    const before = last.get(key) ?? -1;
    last.set(key, Math.max(before, sequence));
    return sequence > before ? [] : [`${key}: ${sequence} after ${before}`];
  });
}

function overtakenOffsets(deliveries: readonly DeliveryEvent[]): string[] {
  const last = new Map<string, number>();
  return firstDeliveries(deliveries).flatMap(({ queue, queueOffset }) => {
    const before = last.get(queue) ?? -1;
    last.set(queue, Math.max(before, queueOffset));
    return queueOffset > before ? [] : [`${queue}: ${queueOffset} after ${before}`];
  });
}

function steppedBack(commits: readonly CommitEvent[]): string[] {
  const last = new Map<string, number>();
  return commits.flatMap(({ queue, queueOffset }) => {
    const before = last.get(queue) ?? -1;
    last.set(queue, queueOffset);
    return queueOffset >= before ? [] : [`${queue}: ${queueOffset} after ${before}`];
  });
}
