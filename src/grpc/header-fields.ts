import type { HeaderField } from '../http2/hpack/header-field.ts';
import { type GrpcStatus, StatusCode } from './status.ts';

/** What a request tells the gRPC layer. */
export interface CallHead {
  /** The head of the answer; undefined where the request is not gRPC in protobuf. */
  readonly answerHead: readonly HeaderField[] | undefined;
  /** `grpc-timeout`, if there is one. */
  readonly timeout: string | undefined;
  /** `grpc-encoding`; `identity` where there is none. */
  readonly encoding: string;
}

const contentType = 'content-type';

/** Answers repeat the content type of their request. */
const answerHeads: ReadonlyMap<string, readonly HeaderField[]> = new Map(
  ['application/grpc', 'application/grpc+proto'].map((type) => [
    type,
    [
      { name: ':status', value: '200' },
      { name: contentType, value: type },
      { name: 'grpc-accept-encoding', value: 'gzip' },
    ],
  ]),
);

const okField: HeaderField = { name: 'grpc-status', value: '0' };

/** Ends an answer that succeeded. */
export const okTrailers: readonly HeaderField[] = [okField];

/** One look at all fields: every call pays for it. */
export function readCallHead(fields: readonly HeaderField[]): CallHead {
  let type = '';
  let timeout: string | undefined;
  let encoding = 'identity';
  for (const { name, value } of fields) {
    if (name === contentType) type = value;
    else if (name === 'grpc-timeout') timeout = value;
    else if (name === 'grpc-encoding') encoding = value;
  }
  return { answerHead: answerHeads.get(type) ?? answerHeads.get(withoutParameters(type)), timeout, encoding };
}

function withoutParameters(type: string): string {
  return (type.split(';', 1)[0] ?? '').trimEnd().toLowerCase();
}

/** The fields that end an answer with a status. */
export function statusFields({ code, message, details }: GrpcStatus): readonly HeaderField[] {
  if (code === StatusCode.OK) return okTrailers;
  const fields = [{ name: 'grpc-status', value: String(code) }];
  if (message !== '') fields.push({ name: 'grpc-message', value: escapeMessage(message) });
  if (details !== undefined) fields.push({ name: 'grpc-status-details-bin', value: toBase64(details) });
  return fields;
}

/** Without padding, as gRPC's binary fields are. */
function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64').replace(/=+$/, '');
}

/** Escapes only percent signs and what is not printable ASCII, as the gRPC specification has it, and blanks where HTTP/2 allows none. */
export function escapeMessage(message: string): string {
  if (/^[\x21-\x24\x26-\x7e]+(?: +[\x21-\x24\x26-\x7e]+)*$/.test(message)) return message;
  return Array.from(Buffer.from(message), (byte) =>
    byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : percentEscape(byte),
  )
    .join('')
    .replace(/^ | $/g, '%20');
}

function percentEscape(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
