import type { MQError } from './errors.ts';

/** Most receipt handles of one call: what the proxy takes. */
export const ackHandlesMax = 1_000;

/** How the ack of each handle fared, in order: undefined for success. */
export type AckOutcomes = readonly (MQError | undefined)[];

interface Ack {
  readonly receiptHandle: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Joins acks: those of one turn of the event loop, and those that come while a call is under way, leave in one call. */
export class Acks {
  readonly #send: (receiptHandles: string[]) => Promise<AckOutcomes>;
  #waiting: Ack[] = [];
  #sending: Promise<void> | undefined;

  constructor(send: (receiptHandles: string[]) => Promise<AckOutcomes>) {
    this.#send = send;
  }

  /** @throws MQError */
  add(receiptHandle: string): Promise<void> {
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ receiptHandle, resolve, reject }));
    this.#sending ??= this.#sendAll();
    return done;
  }

  /** Resolves when all acks so far are answered, whatever the answers are. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    // Those of this turn come along. No timer: browsers let those of a page in the background wait for up to a minute.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#sendSome(this.#waiting.splice(0, ackHandlesMax));
    this.#sending = undefined;
  }

  async #sendSome(acks: readonly Ack[]): Promise<void> {
    try {
      const outcomes = await this.#send(acks.map(({ receiptHandle }) => receiptHandle));
      for (const [index, { resolve, reject }] of acks.entries()) {
        const error = outcomes[index];
        if (error === undefined) resolve();
        else reject(error);
      }
    } catch (error) {
      for (const { reject } of acks) reject(error);
    }
  }
}
