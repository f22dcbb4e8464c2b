import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import { invalid, toFailure } from './failures.ts';

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
export function failedOutcome(error: unknown): OutcomeReply {
  const failure = toFailure(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  return { success: false, message: failure.rawMessage, code: failure.code, reason: info?.reason ?? '' };
}

/** @throws ConnectError INVALID_ARGUMENT for a call with no messages, or too many. */
export function checkCount(field: string, count: number, countMax: number): void {
  if (count < 1 || count > countMax) throw invalid(`${field} has ${count} entries; it may have 1 to ${countMax}`);
}

/** What a reply says of several messages. */
export function countText(outcomes: readonly OutcomeReply[], done: string): string {
  return `${outcomes.filter(({ success }) => success).length} of ${outcomes.length} messages are ${done}`;
}
