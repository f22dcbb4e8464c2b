import { type Command, nextOpaque } from './command.ts';
import type { Deadline, DeadlineEnd } from './deadline.ts';
import { RemotingError } from './errors.ts';

interface Pending {
  resolve(reply: Command): void;
  reject(error: RemotingError): void;
  /** Ends the watch over the request's deadline. */
  stop(): void;
}

/** The requests of one connection that wait for their reply, by opaque. */
export class InFlightRequests {
  readonly #address: string;
  readonly #countMax: number;
  readonly #pending = new Map<number, Pending>();
  #opaque = 0;
  #droppedReplyCount = 0;

  /** @param address `host:port` of the other side, for errors. */
  constructor(address: string, countMax: number) {
    this.#address = address;
    this.#countMax = countMax;
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
   * Hands `write` an opaque and waits for the reply that carries it.
   * @throws RemotingError `timeout` and `cancelled` by the deadline, `overloaded` when too many wait already, what `write` throws.
   */
  request(write: (opaque: number) => void, deadline: Deadline): Promise<Command> {
    return new Promise((resolve, reject) => {
      const address = this.#address;
      if (this.#pending.size >= this.#countMax) {
        throw new RemotingError('overloaded', `${this.#countMax} requests to ${address} are waiting for replies`, {
          address,
        });
      }
      deadline.check(`a request to ${address}`);
      const opaque = this.nextOpaque();
      write(opaque);
      const giveUp = (kind: DeadlineEnd): void => {
        if (!this.#pending.delete(opaque)) return;
        const what = kind === 'timeout' ? 'did not answer before the deadline' : 'was asked by a caller that gave up';
        reject(new RemotingError(kind, `${address} ${what}`, { address, outcomeUnknown: true }));
      };
      // After a time in which this process was too busy to read, what has arrived is read first.
      const stop = deadline.watch((kind) => (kind === 'timeout' ? setImmediate(giveUp, kind) : giveUp(kind)));
      this.#pending.set(opaque, { resolve, reject, stop });
    });
  }

  /** A reply that nobody waits for any more is dropped and counted. */
  take(reply: Command): void {
    const pending = this.#pending.get(reply.opaque);
    if (pending === undefined) {
      this.#droppedReplyCount += 1;
      return;
    }
    this.#pending.delete(reply.opaque);
    pending.stop();
    pending.resolve(reply);
  }

  /** Fails all that wait, as `closed` of unknown outcome; as `connect` where that is the reason, so that none can have been read. */
  rejectAll(reason: RemotingError): void {
    const address = this.#address;
    for (const pending of this.#pending.values()) {
      pending.stop();
      const outcomeUnknown = reason.kind !== 'connect';
      const kind = outcomeUnknown ? 'closed' : 'connect';
      pending.reject(new RemotingError(kind, reason.message, { address, outcomeUnknown, cause: reason }));
    }
    this.#pending.clear();
  }
}
