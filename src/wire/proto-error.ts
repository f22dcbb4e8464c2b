/**
 * Why a protobuf message cannot be read or written.
 *
 * - `truncated`: it ends, or what it is part of does, in the middle of a field.
 * - `malformed`: a varint of more than ten bytes, a field number 0, a wire type that does not exist, groups that do not match.
 * - `text`: a string that is not UTF-8.
 * - `limit`: more fields, or deeper groups, than are read.
 * - `range`: to be written, a number that its field cannot hold.
 */
export type ProtoErrorKind = 'truncated' | 'malformed' | 'text' | 'limit' | 'range';

/** A protobuf message that cannot be read or written. Its text tells where, and nothing that the message says. */
export class ProtoError extends Error {
  readonly kind: ProtoErrorKind;

  constructor(kind: ProtoErrorKind, message: string) {
    super(message);
    this.name = 'ProtoError';
    this.kind = kind;
  }
}
