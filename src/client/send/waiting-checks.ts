import type { Cancellation } from '../../basics/ending.ts';
import type { TransactionCheck } from './transaction-checks.ts';

/** Checks of one group and topic that may wait for a stream with room; brokers ask again for what is over that. */
export const waitingChecksMax = 1_000;
/** Bytes of their bodies. */
export const waitingCheckBytesMax = 16_777_216;

/** Checks on their way to the streams of one group and topic, which share them. */
export class WaitingChecks {
  /** By message id, the oldest first. */
  readonly #checks = new Map<string, TransactionCheck>();
  readonly #takers = new Set<() => void>();
  #bytes = 0;

  get count(): number {
    return this.#checks.size;
  }

  /**
   * A broker asks. Where it has asked before, the copy of that check is past.
   * @returns false where there is no room.
   */
  add(check: TransactionCheck): boolean {
    const { half, body } = check;
    this.#remove(half.messageId);
    if (this.count >= waitingChecksMax || this.#bytes + body.length > waitingCheckBytesMax) return false;
    this.#checks.set(half.messageId, check);
    this.#bytes += body.length;
    for (const wake of this.#takers) wake();
    return true;
  }

  /** The next check; undefined where none came within so many ms, or before the signal. */
  async take(signal: Cancellation, withinMs: number): Promise<TransactionCheck | undefined> {
    if (this.count === 0 && !signal.aborted) await this.#arrival(signal, withinMs);
    if (signal.aborted) return undefined;
    const [check] = this.#checks.values();
    if (check !== undefined) this.#remove(check.half.messageId);
    return check;
  }

  #remove(messageId: string): void {
    const check = this.#checks.get(messageId);
    if (check === undefined) return;
    this.#checks.delete(messageId);
    this.#bytes -= check.body.length;
  }

  #arrival(signal: Cancellation, withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#takers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, withinMs);
      signal.addEventListener('abort', wake);
      this.#takers.add(wake);
    });
  }
}
