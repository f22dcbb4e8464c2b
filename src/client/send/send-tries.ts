import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { ClientError } from '../errors.ts';

/** Replies after which another try, best at another broker, may succeed; SYSTEM_ERROR is what brokers say when a disk fails. */
const retryCodes: ReadonlySet<number> = new Set([
  ResponseCode.SYSTEM_ERROR,
  ResponseCode.SYSTEM_BUSY,
  ResponseCode.SERVICE_NOT_AVAILABLE,
  ResponseCode.TOPIC_NOT_EXIST,
  ResponseCode.NOT_LEADER_FOR_QUEUE,
  ResponseCode.GO_AWAY,
]);

/** What the tries of one send have shown so far. */
export class SendTries {
  /** Brokers to be avoided by the next try. */
  readonly failedBrokers = new Set<string>();
  #count = 0;
  #bornTimestampMs = 0;
  #outcomeUnknown = false;
  #lastFailure: unknown;

  /** Tries that failed. */
  get count(): number {
    return this.#count;
  }

  /** When the next try was born, in ms: each has a time of its own, by which what they stored can be told apart. */
  nextBornTimestampMs(nowMs: number = Date.now()): number {
    this.#bornTimestampMs = Math.max(nowMs, this.#bornTimestampMs + 1);
    return this.#bornTimestampMs;
  }

  add(brokerName: string, failure: unknown): void {
    this.#count += 1;
    this.#lastFailure = failure;
    this.#outcomeUnknown ||= failure instanceof RemotingError && failure.outcomeUnknown;
    this.failedBrokers.add(brokerName);
  }

  /** What the caller is told in the end; whatever it was that ended the send, an earlier try may have stored the message. */
  finalError(error: unknown, deadline: Deadline): unknown {
    if (this.#outcomeUnknown) {
      return new ClientError(
        'outcomeUnknown',
        `no answer after ${this.#count} tries: the message may or may not be stored`,
        error,
      );
    }
    if (error !== this.#lastFailure || !isRetryable(error)) return error;
    if (error instanceof RemotingError && error.kind === 'timeout' && deadline.remainingMs() === 0) return error;
    return new ClientError('notStored', `the message was not stored in ${this.#count} tries`, error);
  }
}

/** True when the same message may be stored by another try. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof ResponseError) return retryCodes.has(error.code);
  if (error instanceof ClientError) return error.kind === 'noBroker';
  return (
    error instanceof RemotingError && (error.kind === 'connect' || error.kind === 'closed' || error.kind === 'timeout')
  );
}
