import type { PublishResult } from './api.ts';
import type { PublishOutcome } from './errors.ts';
import { CallRoom, type OutgoingFields } from './outgoing-message.ts';
import { joinScopes, type Scope } from './scope.ts';

/** Calls under way at once, of one producer. Over HTTP/1.1 browsers open six connections to a host; what comes meanwhile leaves together. */
export const sendCallsMax = 4;

/** Sends one message, or several by one call. @returns how each fared, in order. @throws MQError where the call failed. */
export type SendCall = (messages: OutgoingFields[], scope: Scope) => Promise<readonly PublishOutcome[]>;

interface Send {
  readonly message: OutgoingFields;
  readonly scope: Scope;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Joins sends: those of one turn of the event loop, and those that come while calls are under way, leave in one call, in order. A message
 * with a sharding key waits for those of its key that are under way: two calls have no order.
 */
export class Sends {
  readonly #call: SendCall;
  readonly #busyKeys = new Set<string>();
  #waiting: Send[] = [];
  #callCount = 0;
  #isLeaving = false;

  constructor(call: SendCall) {
    this.#call = call;
  }

  /** @param scope Once it has ended nobody waits for the message any more; if it has not left then, it does not. @throws MQError */
  add(message: OutgoingFields, scope: Scope): Promise<PublishResult> {
    const stored = new Promise<PublishResult>((resolve, reject) =>
      this.#waiting.push({ message, scope, resolve, reject }),
    );
    if (!this.#isLeaving) void this.#leaveNext();
    return stored;
  }

  /** Those of this turn come along. No timer: browsers let those of a page in the background wait for up to a minute. */
  async #leaveNext(): Promise<void> {
    this.#isLeaving = true;
    await Promise.resolve();
    this.#isLeaving = false;
    this.#leave();
  }

  #leave(): void {
    while (this.#callCount < sendCallsMax) {
      const sends = this.#take();
      if (sends.length === 0) return;
      void this.#send(sends);
    }
  }

  /** What may leave in one call. */
  #take(): Send[] {
    const sends: Send[] = [];
    const rest: Send[] = [];
    const room = new CallRoom();
    let isFull = false;
    for (const send of this.#waiting) {
      if (send.scope.signal.aborted) continue;
      const isBusy = this.#busyKeys.has(send.message.properties.shardingKey);
      isFull ||= !isBusy && !room.take(send.message);
      if (isBusy || isFull) rest.push(send);
      else sends.push(send);
    }
    this.#waiting = rest;
    return sends;
  }

  async #send(sends: readonly Send[]): Promise<void> {
    const keys = sends.map(({ message }) => message.properties.shardingKey).filter((key) => key !== '');
    for (const key of keys) this.#busyKeys.add(key);
    this.#callCount += 1;
    await this.#settle(sends);
    this.#callCount -= 1;
    for (const key of keys) this.#busyKeys.delete(key);
    this.#leave();
  }

  /** Never fails. */
  async #settle(sends: readonly Send[]): Promise<void> {
    try {
      const messages = sends.map(({ message }) => message);
      const outcomes = await this.#call(messages, joinScopes(sends.map(({ scope }) => scope)));
      for (const [index, { resolve, reject }] of sends.entries()) {
        const { messageId = '', error } = outcomes[index] ?? {};
        if (error === undefined) resolve({ messageId });
        else reject(error);
      }
    } catch (error) {
      for (const { reject } of sends) reject(error);
    }
  }
}
