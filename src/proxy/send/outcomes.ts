import type { ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { invalid, toFailure } from '../rpc/failures.ts';

/** How one of several messages fared: the fields of `Outcome`. */
export interface OutcomeReply {
  readonly success: boolean;
  readonly message: string;
  /** Of a failure. */
  readonly code?: number;
  /** Of a failure. */
  readonly reason?: string;
}

export function successOf(message: string): OutcomeReply {
  return { success: true, message };
}

/** What a call for one message alone would have failed with. */
export function failedOutcome(failure: ConnectError): OutcomeReply {
  const [info] = failure.findDetails(ErrorInfoSchema);
  return { success: false, message: failure.rawMessage, code: failure.code, reason: info?.reason ?? '' };
}

/** Makes outcomes of what fails in one request, and keeps it for the log. */
export class Failures {
  readonly all: ConnectError[] = [];

  readonly outcomeOf = (error: unknown): OutcomeReply => {
    const failure = toFailure(error);
    this.all.push(failure);
    return failedOutcome(failure);
  };
}

/** What the reply to a message says that was stored. */
export function storedReply(messageId: string) {
  return { success: true, message: 'the message was stored', messageId, receiptHandle: messageId };
}

/** @throws ConnectError INVALID_ARGUMENT for a call with no messages, or too many. */
export function checkCount(field: string, count: number, countMax: number): void {
  if (count < 1 || count > countMax) throw invalid(`${field} has ${count} entries; it may have 1 to ${countMax}`);
}

/** The fields of `SendOutcome`. */
export interface SendOutcomeReply {
  readonly outcome: OutcomeReply;
  /** Of a message that was stored. */
  readonly messageId?: string;
  readonly recallHandle?: string;
}

/** What a reply says of several messages that were sent. */
export function outcomesText(outcomes: readonly SendOutcomeReply[]): string {
  return countText(
    outcomes.map(({ outcome }) => outcome),
    'stored',
  );
}

/** What a reply says of several messages. */
export function countText(outcomes: readonly OutcomeReply[], done: string): string {
  return `${outcomes.filter(({ success }) => success).length} of ${outcomes.length} messages are ${done}`;
}
