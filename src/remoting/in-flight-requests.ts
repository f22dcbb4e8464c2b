import { NumberTable } from '../basics/number-table.ts';
import { type Command, nextOpaque } from './command.ts';
import type { Deadline } from './deadline.ts';
import { RemotingError } from './errors.ts';

/** Who waits for the reply to a request. One of the two is called, once, and must not throw. */
export interface Asker {
  replied(reply: Command): void;
  failed(error: unknown): void;
}

interface Pending {
  readonly asker: Asker;
  readonly deadline: Deadline;
  /** Listens for the end of the caller's interest; undefined where that cannot end. */
  readonly cancel: (() => void) | undefined;
}

/** The requests of one connection that wait for their reply, by opaque. One timer watches over all of their deadlines. */
export class InFlightRequests {
  readonly #address: string;
  readonly #countMax: number;
  readonly #what: string;
  readonly #onIdle: () => void;
  readonly #pending = new NumberTable<Pending>();
  #opaque = 0;
  #droppedReplyCount = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires: no deadline of those that wait passes before. */
  #timerEndsAtMs = Number.POSITIVE_INFINITY;

  /**
   * @param address `host:port` of the other side, for errors.
   * @param onIdle Called whenever the last one that waited has its end.
   */
  constructor(address: string, countMax: number, onIdle: () => void = () => {}) {
    this.#address = address;
    this.#countMax = countMax;
    this.#what = `a request to ${address}`;
    this.#onIdle = onIdle;
  }

  get count(): number {
    return this.#pending.size;
  }

  /** Replies that came after their request had been given up, or that answer no request of ours. */
  get droppedReplyCount(): number {
    return this.#droppedReplyCount;
  }

  nextOpaque(): number {
    this.#opaque = nextOpaque(this.#opaque, this.#pending);
    return this.#opaque;
  }

  /**
   * Hands `write` an opaque and waits for the reply that carries it; `asker` hears of it, or of `timeout` and `cancelled` by the deadline.
   * @throws RemotingError `timeout`, `cancelled`, `overloaded` when too many wait already, what `write` throws: nothing was written.
   */
  request(write: (opaque: number) => void, deadline: Deadline, asker: Asker): void {
    const address = this.#address;
    if (this.#pending.size >= this.#countMax) {
      throw new RemotingError('overloaded', `${this.#countMax} requests to ${address} are waiting for replies`, {
        address,
      });
    }
    deadline.check(this.#what);
    const opaque = this.nextOpaque();
    write(opaque);
    const { signal, endsAtMs } = deadline;
    const cancel = signal === undefined ? undefined : (): void => this.#giveUp(opaque, 'cancelled');
    if (cancel !== undefined) signal?.addEventListener('abort', cancel);
    this.#pending.set(opaque, { asker, deadline, cancel });
    if (endsAtMs < this.#timerEndsAtMs) this.#arm(endsAtMs);
  }

  /** A reply that nobody waits for any more is dropped and counted. */
  take(reply: Command): void {
    const pending = this.#take(reply.opaque);
    if (pending === undefined) {
      this.#droppedReplyCount += 1;
      return;
    }
    pending.asker.replied(reply);
    if (this.#pending.size === 0) this.#onIdle();
  }

  /** Fails all that wait, as `closed` of unknown outcome; as `connect` where that is the reason, so that none can have been read. */
  rejectAll(reason: RemotingError): void {
    const address = this.#address;
    const outcomeUnknown = reason.kind !== 'connect';
    const kind = outcomeUnknown ? 'closed' : 'connect';
    this.#disarm();
    for (const opaque of this.#pending.keys()) {
      this.#take(opaque)?.asker.failed(
        new RemotingError(kind, reason.message, { address, outcomeUnknown, cause: reason }),
      );
    }
  }

  #take(opaque: number): Pending | undefined {
    const pending = this.#pending.get(opaque);
    if (pending === undefined) return undefined;
    this.#pending.delete(opaque);
    if (pending.cancel !== undefined) pending.deadline.signal?.removeEventListener('abort', pending.cancel);
    return pending;
  }

  #giveUp(opaque: number, kind: 'timeout' | 'cancelled'): void {
    const address = this.#address;
    const what = kind === 'timeout' ? 'did not answer before the deadline' : 'was asked by a caller that gave up';
    const error = new RemotingError(kind, `${address} ${what}`, { address, outcomeUnknown: true });
    this.#take(opaque)?.asker.failed(error);
    if (this.#pending.size === 0) this.#onIdle();
  }

  /** Most requests are answered long before their deadlines: the timer is left as it is, and looks when it fires who still waits. */
  #arm(endsAtMs: number): void {
    clearTimeout(this.#timer);
    this.#timerEndsAtMs = endsAtMs;
    // After a time in which this process was too busy to read, what has arrived is read first.
    const inMs = Math.max(1, Math.ceil(endsAtMs - performance.now()));
    this.#timer = setTimeout(() => setImmediate(() => this.#endOverdue()), inMs).unref();
  }

  #endOverdue(): void {
    // Timers may fire a moment before their time: then it is set again, since whoever is told of a timeout asks what is left.
    const now = performance.now();
    const overdue: number[] = [];
    let nextEndsAtMs = Number.POSITIVE_INFINITY;
    for (const opaque of this.#pending.keys()) {
      const endsAtMs = this.#pending.get(opaque)?.deadline.endsAtMs ?? Number.POSITIVE_INFINITY;
      if (endsAtMs <= now) overdue.push(opaque);
      else nextEndsAtMs = Math.min(nextEndsAtMs, endsAtMs);
    }
    if (nextEndsAtMs === Number.POSITIVE_INFINITY) this.#disarm();
    else this.#arm(nextEndsAtMs);
    for (const opaque of overdue) this.#giveUp(opaque, 'timeout');
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timerEndsAtMs = Number.POSITIVE_INFINITY;
  }
}
