import { ClientError } from '../errors.ts';
import type { ClientObserver, ProcessObservation, ProcessOutcome } from '../observer.ts';
import type { ReceivedMessage as Received } from '../received-message.ts';
import type { ReceivedMessage } from './received-message.ts';

/** Shows an observer the work on messages that the application asked for: from their coming until it says what became of them. */
export class ObservedWork {
  readonly #observer: () => ClientObserver | undefined;
  readonly #group: string;
  readonly #underWay = new WeakMap<ReceivedMessage, ProcessObservation>();

  /** @param observer known once the cluster is. @param group with the namespace. */
  constructor(observer: () => ClientObserver | undefined, group: string) {
    this.#observer = observer;
    this.#group = group;
  }

  began(message: ReceivedMessage, received: Received): void {
    const observation = this.#observer()?.processing?.(received, this.#group);
    if (observation !== undefined) this.#underWay.set(message, observation);
  }

  /** Only the first end of a message counts. */
  ended(message: ReceivedMessage, outcome: ProcessOutcome, error?: unknown): void {
    const observation = this.#underWay.get(message);
    this.#underWay.delete(message);
    observation?.ended(outcome, error);
  }

  /** A broker could not be told how it ended. Where the time of the message was over, that is its end. */
  unsettled(message: ReceivedMessage, error: unknown): void {
    if (error instanceof ClientError && error.kind === 'expired') this.ended(message, 'timeout', error);
  }
}
