/**
 * Why the client could not do what it was asked:
 * - `noRoute`: no name server knows the topic, and no broker would create it.
 * - `noBroker`: the topic is known, but none of its brokers can take the request now; nothing was stored.
 * - `notStored`: every try was refused; nothing was stored.
 * - `outcomeUnknown`: at least one try got no answer, so the message may be stored.
 * - `unauthenticated`: the credentials are missing, unknown, disabled or wrong.
 * - `denied`: the credentials are right, but not enough for this.
 * - `unsupported`: the brokers are too old for it.
 * - `invalid`: it can never work; the text says why.
 * - `expired`: the receipt's invisible duration is over; the message is delivered again.
 * - `closed`: the client has been closed.
 */
export type ClientErrorKind =
  | 'noRoute'
  | 'noBroker'
  | 'notStored'
  | 'outcomeUnknown'
  | 'unauthenticated'
  | 'denied'
  | 'unsupported'
  | 'invalid'
  | 'expired'
  | 'closed';

/** True where a server refuses the caller, so that another try changes nothing: `unauthenticated`, `denied`. */
export function isDenied(error: unknown): error is ClientError {
  return error instanceof ClientError && (error.kind === 'unauthenticated' || error.kind === 'denied');
}

/** A failure that is not simply one reply or one connection; what led to it is in `cause`. Decide by `kind`, never by the text. */
export class ClientError extends Error {
  readonly kind: ClientErrorKind;

  constructor(kind: ClientErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ClientError';
    this.kind = kind;
  }
}
