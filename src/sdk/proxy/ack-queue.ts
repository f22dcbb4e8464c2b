import { EachTurn } from '../each-turn.ts';
import type { SettleResult } from '../message.ts';
import { toMQError } from '../mq-error.ts';

/** Most receipt handles of one AckMessages. */
export const ackCountMax = 1_000;

/** An ack that waits to be sent. */
export interface QueuedAck {
  readonly receiptHandle: string;
  readonly resolve: (result: SettleResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Puts the acks of one turn of the event loop into as few calls as can be. */
export class AckQueue {
  readonly #send: (acks: readonly QueuedAck[]) => Promise<void>;
  readonly #turns = new EachTurn<QueuedAck>((acks) => this.#start(acks));

  /** @param send settles each of them, or fails for all. */
  constructor(send: (acks: readonly QueuedAck[]) => Promise<void>) {
    this.#send = send;
  }

  add(receiptHandle: string): Promise<SettleResult> {
    return new Promise((resolve, reject) => this.#turns.add({ receiptHandle, resolve, reject }));
  }

  #start(acks: readonly QueuedAck[]): void {
    for (let at = 0; at < acks.length; at += ackCountMax) void this.#sendTogether(acks.slice(at, at + ackCountMax));
  }

  async #sendTogether(acks: readonly QueuedAck[]): Promise<void> {
    try {
      await this.#send(acks);
    } catch (error) {
      const failure = toMQError(error);
      for (const { reject } of acks) reject(failure);
    }
  }
}
