import type { ReceivedMessage } from '../received-message.ts';

/** Who gives messages to handlers. */
export interface GateUser {
  /** A message's turn has come; `leave` must follow. */
  letIn(received: ReceivedMessage): void;
}

interface Waiter {
  readonly user: GateUser;
  readonly received: ReceivedMessage;
}

/** Lets so many handlers run at once; the other messages wait their turn, in the order in which they came. */
export class HandlerGate {
  #roomCount: number;
  #waiting: Waiter[] = [];
  #isLetting = false;

  /** @param insideMax handlers that may run at once. */
  constructor(insideMax: number) {
    this.#roomCount = insideMax;
  }

  /** Lets a message in once there is room, at once where there is. */
  enter(user: GateUser, received: ReceivedMessage): void {
    if (this.#roomCount > 0 && this.#waiting.length === 0) {
      this.#roomCount -= 1;
      user.letIn(received);
    } else this.#waiting.push({ user, received });
  }

  /** What of a user's still waits; it waits no more. */
  takeBack(user: GateUser): readonly ReceivedMessage[] {
    const taken = this.#waiting.filter((waiter) => waiter.user === user);
    this.#waiting = this.#waiting.filter((waiter) => waiter.user !== user);
    return taken.map(({ received }) => received);
  }

  /** In a loop, not one from within the other: who is let in may leave at once, and thousands may wait. */
  leave(): void {
    this.#roomCount += 1;
    if (this.#isLetting) return;
    this.#isLetting = true;
    for (let next = this.#next(); next !== undefined; next = this.#next()) next.user.letIn(next.received);
    this.#isLetting = false;
  }

  #next(): Waiter | undefined {
    const next = this.#roomCount > 0 ? this.#waiting.shift() : undefined;
    if (next !== undefined) this.#roomCount -= 1;
    return next;
  }
}
