/** Tries again that one success pays for. So a broker that refuses for load gets about a tenth on top of what it is sent anyway. */
const earnedBySuccess = 0.1;
/** Tries again that are saved up in good times, and to begin with. */
export const savedRetriesMax = 10;

/**
 * Bounds how often brokers that refused a message for load are asked again, beside the tries that each message has: one refusal costs nothing,
 * but where half of all messages are refused, to try all of them again is what keeps a broker overloaded.
 */
export class RetryBudget {
  /** What each broker has left; all it can have where there is no entry. */
  readonly #saved = new Map<string, number>();

  /** The broker stored a message. */
  earn(brokerName: string): void {
    const saved = this.#saved.get(brokerName);
    if (saved === undefined) return;
    if (saved + earnedBySuccess >= savedRetriesMax) this.#saved.delete(brokerName);
    else this.#saved.set(brokerName, saved + earnedBySuccess);
  }

  /** Whether the broker may be asked once more; if so, that is paid. */
  spend(brokerName: string): boolean {
    const saved = this.#saved.get(brokerName) ?? savedRetriesMax;
    if (saved < 1) return false;
    this.#saved.set(brokerName, saved - 1);
    return true;
  }
}
