import { type ExtFields, newExtFields } from './command.ts';
import { RemotingError } from './errors.ts';
import type { Header } from './header-json.ts';

/** Java `LanguageCode`: binary headers carry the place in this list. */
const languages: readonly string[] =
  'JAVA CPP DOTNET PYTHON DELPHI ERLANG RUBY OTHER HTTP GO PHP OMS RUST NODE_JS'.split(' ');
const languageNodeJs = languages.indexOf('NODE_JS');
const int16Max = 0x7fff;
const fixedBytes = 13;

/** True where header serialisation 1 can carry the code: it has an int16, which the codes of POP do not fit. */
export function fitsBinaryHeader(code: number): boolean {
  return code >= -int16Max - 1 && code <= int16Max;
}

/** Writes header serialisation 1, `ROCKETMQ` (Java `RocketMQSerializable`). */
export function encodeBinaryHeader(header: Header): Buffer {
  if (!fitsBinaryHeader(header.code)) {
    throw new RemotingError('malformed', `code ${header.code} does not fit a binary header; send it as JSON`);
  }
  const remark = Buffer.from(header.remark ?? '');
  const extFields = encodeExtFields(header.extFields);
  const fixed = Buffer.allocUnsafe(fixedBytes);
  fixed.writeInt16BE(header.code, 0);
  fixed.writeInt8(header.language === undefined ? languageNodeJs : languages.indexOf(header.language), 2);
  fixed.writeInt16BE(header.version, 3);
  fixed.writeInt32BE(header.opaque, 5);
  fixed.writeInt32BE(header.flag, 9);
  return Buffer.concat([fixed, int32(remark.length), remark, int32(extFields.length), extFields]);
}

function encodeExtFields(fields: ExtFields): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const nameBytes = Buffer.from(name);
    if (nameBytes.length > int16Max) throw new RemotingError('malformed', 'a header field name is over 32,767 bytes');
    const valueBytes = Buffer.from(value);
    const lengths = Buffer.allocUnsafe(2);
    lengths.writeInt16BE(nameBytes.length, 0);
    parts.push(lengths, nameBytes, int32(valueBytes.length), valueBytes);
  }
  return Buffer.concat(parts);
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value, 0);
  return bytes;
}

/** @throws RemotingError `malformed` when a length points outside the header. */
export function decodeBinaryHeader(bytes: Buffer): Header {
  if (bytes.length < fixedBytes) throw malformed();
  const remark = lengthPrefixed(bytes, fixedBytes);
  const extFields = lengthPrefixed(bytes, remark.end);
  return {
    code: bytes.readInt16BE(0),
    language: languages[bytes.readInt8(2)],
    version: bytes.readInt16BE(3),
    opaque: bytes.readInt32BE(5),
    flag: bytes.readInt32BE(9),
    remark: remark.bytes.length === 0 ? undefined : remark.bytes.toString(),
    extFields: decodeExtFields(extFields.bytes),
  };
}

function decodeExtFields(bytes: Buffer): ExtFields {
  const fields = newExtFields();
  let at = 0;
  while (at < bytes.length) {
    if (at + 2 > bytes.length) throw malformed();
    const nameStart = at + 2;
    const nameEnd = nameStart + bytes.readInt16BE(at);
    if (nameEnd < nameStart || nameEnd > bytes.length) throw malformed();
    const value = lengthPrefixed(bytes, nameEnd);
    fields[bytes.toString('utf8', nameStart, nameEnd)] = value.bytes.toString();
    at = value.end;
  }
  return fields;
}

function lengthPrefixed(bytes: Buffer, at: number): { readonly bytes: Buffer; readonly end: number } {
  if (at + 4 > bytes.length) throw malformed();
  const start = at + 4;
  const end = start + bytes.readInt32BE(at);
  if (end < start || end > bytes.length) throw malformed();
  return { bytes: bytes.subarray(start, end), end };
}

function malformed(): RemotingError {
  return new RemotingError('malformed', 'a binary header ends before its fields do');
}
