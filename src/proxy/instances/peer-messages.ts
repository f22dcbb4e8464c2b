import { Code, type ConnectError } from '@connectrpc/connect';
import { type Claim, decodeClaim, encodeClaim } from '../../client/receipt.ts';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { failure, type Reason, toFailure } from '../rpc/failures.ts';
import type { Sealer } from '../session/seal.ts';

/** Most settlements of one question: it can then be sealed for all but the longest consumer ids, and so can 16 failures. */
export const settlementsMax = 16;

/** What is done with one message that was handed out. */
export interface Settlement {
  /** `change`: of the invisible duration. */
  readonly kind: 'ack' | 'nack' | 'change';
  readonly receipt: Claim;
  /** The delay of a nack, or the new invisible duration, in ms; 0 for an ack. */
  readonly durationMs: number;
}

/** What one process asks another one to do with messages that the other handed out. */
export interface PeerQuestion {
  /** Returned with the answer, so that an old answer is not taken for it. */
  readonly nonce: string;
  /** Name of the caller, who may use this consumer: the asker has checked that. */
  readonly callerName: string;
  readonly consumerId: string;
  /** What the asker waits, in ms. */
  readonly timeoutMs: number;
  readonly settlements: readonly Settlement[];
}

/** What became of one settlement. */
export type PeerOutcome = { readonly receipt: Claim | undefined } | { readonly failure: ConnectError };

/** One line of JSON, sealed. @throws RangeError where it is too long. */
export function sealQuestion(sealer: Sealer, question: PeerQuestion): string {
  const { nonce, callerName, consumerId, timeoutMs, settlements } = question;
  const list = settlements.map(({ kind, receipt, durationMs }) => [kind, encodeClaim(receipt), durationMs]);
  return sealer.seal('peer', Buffer.from(JSON.stringify(['ask', nonce, callerName, consumerId, timeoutMs, list])));
}

/** @throws SealError for what nobody with our key has sealed; Error for what is no question. */
export function openQuestion(sealer: Sealer, text: string): PeerQuestion {
  const [mark, nonce, callerName, consumerId, timeoutMs, list] = openList(sealer, text);
  if (mark !== 'ask' || !Array.isArray(list)) throw notUnderstood();
  return {
    nonce: String(nonce),
    callerName: String(callerName),
    consumerId: String(consumerId),
    timeoutMs: Number(timeoutMs),
    settlements: list.slice(0, settlementsMax).map(toSettlement),
  };
}

/** One line of JSON, sealed. @throws RangeError where it is too long. */
export function sealAnswer(sealer: Sealer, nonce: string, outcomes: readonly PeerOutcome[]): string {
  const list = outcomes.map((outcome) => {
    if ('receipt' in outcome) return [0, outcome.receipt === undefined ? '' : encodeClaim(outcome.receipt)];
    const { code, rawMessage } = outcome.failure;
    return [code, reasonOf(outcome.failure), rawMessage];
  });
  return sealer.seal('peer', Buffer.from(JSON.stringify(['answer', nonce, list])));
}

/** @throws SealError for what nobody with our key has sealed; Error for what does not answer this question. */
export function openAnswer(sealer: Sealer, text: string, { nonce, settlements }: PeerQuestion): PeerOutcome[] {
  const [mark, answered, list] = openList(sealer, text);
  if (mark !== 'answer' || answered !== nonce || !Array.isArray(list) || list.length !== settlements.length)
    throw notUnderstood();
  return list.map(toOutcome);
}

function toSettlement(entry: unknown): Settlement {
  const [kind, receipt, durationMs] = Array.isArray(entry) ? entry : [];
  if (kind !== 'ack' && kind !== 'nack' && kind !== 'change') throw notUnderstood();
  return { kind, receipt: decodeClaim(String(receipt)), durationMs: Number(durationMs) };
}

function toOutcome(entry: unknown): PeerOutcome {
  const [code, second, message] = Array.isArray(entry) ? entry : [];
  if (code === 0) return { receipt: second === '' ? undefined : decodeClaim(String(second)) };
  if (typeof code !== 'number' || Code[code] === undefined) throw notUnderstood();
  // The peer read it from its own table of failures, which is the same as ours.
  return { failure: failure(code, second as Reason, String(message)) };
}

/** Our errors all have one. */
function reasonOf(error: ConnectError): string {
  return error.findDetails(ErrorInfoSchema)[0]?.reason ?? 'INTERNAL';
}

/** What failed there, as its caller is told. */
export function failedThere(error: unknown): PeerOutcome {
  return { failure: toFailure(error) };
}

function openList(sealer: Sealer, text: string): unknown[] {
  const content: unknown = JSON.parse(sealer.open('peer', text).toString());
  if (!Array.isArray(content)) throw notUnderstood();
  return content;
}

function notUnderstood(): Error {
  return new Error(
    'another instance said something that this version does not understand: run the same version everywhere',
  );
}
