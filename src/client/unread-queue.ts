/** What a queue asks of the bound that it shares with all others. */
export interface QueueBudget {
  readonly change: (bytes: number) => void;
  /** Whether so many more would fit now. */
  readonly fits: (bytes: number) => boolean;
  /** Counts so many more once they fit. False when the queue has closed. */
  readonly room: (bytes: number) => Promise<boolean> | true;
  readonly closed: () => void;
}

/**
 * What one queue that is read by pull holds, and nobody was given. Room may be reserved for a pull that is answered at once, but not for
 * one that brokers hold, which answer after long with messages: what such a one brings is turned away where there is no room.
 */
export class UnreadQueue {
  readonly #onShed: () => void;
  readonly #budget: QueueBudget;
  #heldBytes = 0;
  #reservedBytes = 0;
  #looks = 0;
  #isClosed = false;

  constructor(onShed: () => void, budget: QueueBudget) {
    this.#onShed = onShed;
    this.#budget = budget;
  }

  /** How often in a row it was seen that nobody was given what is there. */
  get looks(): number {
    return this.#looks;
  }

  /** It holds so many bytes now. */
  hold(bytes: number): void {
    if (this.#isClosed || bytes === this.#heldBytes) return;
    if (bytes < this.#heldBytes) this.#looks = 0;
    const moreBytes = bytes - this.#heldBytes;
    this.#heldBytes = bytes;
    this.#budget.change(moreBytes);
  }

  /** Waits for room for a pull of so many bytes; what was reserved before counts no more. False when the queue has closed. */
  async reserve(bytes: number): Promise<boolean> {
    this.release();
    if (this.#isClosed || !(await this.#budget.room(bytes))) return false;
    if (this.#isClosed) this.#budget.change(-bytes);
    else this.#reservedBytes = bytes;
    return !this.#isClosed;
  }

  /** Takes in what a pull has brought, which may be reserved. False when there is no room for it. */
  takeIn(bytes: number): boolean {
    const fits = bytes <= this.#reservedBytes || this.#budget.fits(bytes - this.#reservedBytes);
    if (fits) this.hold(this.#heldBytes + bytes);
    this.release();
    return fits;
  }

  /** What was reserved is not needed any more. */
  release(): void {
    const bytes = this.#reservedBytes;
    this.#reservedBytes = 0;
    if (bytes > 0) this.#budget.change(-bytes);
  }

  look(): void {
    this.#looks = this.#heldBytes > 0 ? this.#looks + 1 : 0;
  }

  /** Others need the room. */
  shed(): void {
    this.#looks = 0;
    this.#onShed();
  }

  /** Whatever the queue has is gone. */
  close(): void {
    if (this.#isClosed) return;
    this.hold(0);
    this.release();
    this.#isClosed = true;
    this.#budget.closed();
  }
}
