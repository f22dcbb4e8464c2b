import { batchRecordsMax } from '../../remoting/message-batch.ts';
import { ClientError } from '../errors.ts';
import type { SendResult } from './outgoing-message.ts';

/** How large one request may be that stores several messages. */
export interface BatchLimits {
  /** Most bytes of its body, unless one message alone has more. */
  readonly batchBytesMax: number;
  /** Most messages of it: each takes a broker some 200 bytes more than the request, and brokers bound what they store at once. */
  readonly batchCountMax: number;
}

/** Neighbours in a batch that one request stores: from `start` up to, not including, `end`. */
export interface BatchPart {
  readonly start: number;
  readonly end: number;
}

/** Cuts a batch into parts within the limits, in order. @param sizes Bytes of each message's record. */
export function splitBatch(sizes: readonly number[], { batchBytesMax, batchCountMax }: BatchLimits): BatchPart[] {
  const countMax = Math.min(batchCountMax, batchRecordsMax);
  const parts: BatchPart[] = [];
  let start = 0;
  let bytes = 0;
  for (const [index, size] of sizes.entries()) {
    if (index > start && (bytes + size > batchBytesMax || index - start >= countMax)) {
      parts.push({ start, end: index });
      start = index;
      bytes = 0;
    }
    bytes += size;
  }
  if (sizes.length > 0) parts.push({ start, end: sizes.length });
  return parts;
}

/** How one message of a batch fared. */
export type BatchOutcome =
  | { readonly state: 'stored'; readonly messageId: string; readonly result: SendResult }
  /** `unknown`: no answer came, so it may be stored. */
  | { readonly state: 'notStored' | 'unknown'; readonly messageId: string };

/**
 * A batch that is not stored as a whole. Parts are sent one after the other, so the messages behind the part that failed are not
 * stored. `cause`: what `Producer.send` would have failed with.
 */
export class BatchError extends Error {
  /** One for each message, in order. */
  readonly outcomes: readonly BatchOutcome[];

  constructor(outcomes: readonly BatchOutcome[], cause: unknown) {
    super(describe(outcomes, cause), { cause });
    this.name = 'BatchError';
    this.outcomes = outcomes;
  }
}

/**
 * What is known of each message when one part has failed.
 * @param stored The results of the parts before it.
 */
export function outcomesOf(
  messageIds: readonly string[],
  stored: readonly SendResult[],
  failed: BatchPart,
  error: unknown,
): BatchOutcome[] {
  const isUnknown = error instanceof ClientError && error.kind === 'outcomeUnknown';
  return messageIds.map((messageId, index) => {
    const result = stored[index];
    if (result !== undefined) return { state: 'stored', messageId, result };
    return { state: isUnknown && index < failed.end ? 'unknown' : 'notStored', messageId };
  });
}

function describe(outcomes: readonly BatchOutcome[], cause: unknown): string {
  const count = (state: BatchOutcome['state']): number => outcomes.filter((outcome) => outcome.state === state).length;
  const sums = `${count('stored')} are stored, ${count('unknown')} may be stored, ${count('notStored')} are not`;
  return `of a batch of ${outcomes.length} messages ${sums}: ${cause instanceof Error ? cause.message : String(cause)}`;
}
