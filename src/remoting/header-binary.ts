import { type Command, type ExtFields, newExtFields } from './command.ts';
import { RemotingError } from './errors.ts';
import type { Frame } from './frame.ts';
import type { Header } from './header-json.ts';

/** Java `LanguageCode`: binary headers carry the place in this list. */
const languages: readonly string[] =
  'JAVA CPP DOTNET PYTHON DELPHI ERLANG RUBY OTHER HTTP GO PHP OMS RUST NODE_JS'.split(' ');
const languageNodeJs = languages.indexOf('NODE_JS');
const int16Max = 0x7fff;
const fixedBytes = 13;
/** Most bytes that one of JavaScript's characters becomes in UTF-8. */
const charBytesMax = 3;
/** Up to this length a loop writes a text of plain ASCII faster than a call out of JavaScript. */
const loopLengthMax = 24;

/**
 * Most bytes that header serialisation 1 needs for a header, or undefined for one that it cannot carry as it is: codes of POP do not
 * fit its int16, servers read an empty value as none, and a request without fields as one without a map of fields, which some of
 * them fail on (Java `RocketMQSerializable`).
 */
export function binaryHeaderBytesMax({ code, remark, extFields }: Header): number | undefined {
  if (code < -int16Max - 1 || code > int16Max) return undefined;
  let length = remark?.length ?? 0;
  let count = 0;
  for (const name in extFields) {
    const value = extFields[name] ?? '';
    if (value === '' || charBytesMax * name.length > int16Max) return undefined;
    length += name.length + value.length;
    count += 1;
  }
  return count === 0 ? undefined : fixedBytes + 4 + 4 + 6 * count + charBytesMax * length;
}

/**
 * Writes header serialisation 1, `ROCKETMQ`, at `at`. @param bytes With room for `binaryHeaderBytesMax` bytes.
 * @returns Where it ends.
 */
export function writeBinaryHeader(header: Header, bytes: Buffer, at: number): number {
  const { code, language, version, opaque, flag, remark, extFields } = header;
  bytes.writeInt16BE(code, at);
  bytes.writeInt8(language === undefined ? languageNodeJs : languages.indexOf(language), at + 2);
  bytes.writeInt16BE(version, at + 3);
  bytes.writeInt32BE(opaque, at + 5);
  bytes.writeInt32BE(flag, at + 9);
  const mapAt = writeLongText(remark ?? '', bytes, at + fixedBytes);
  let end = mapAt + 4;
  for (const name in extFields) {
    const valueAt = writeText(name, bytes, end + 2);
    bytes.writeInt16BE(valueAt - end - 2, end);
    end = writeLongText(extFields[name] ?? '', bytes, valueAt);
  }
  bytes.writeInt32BE(end - mapAt - 4, mapAt);
  return end;
}

/** A text behind its length as an int32. */
function writeLongText(text: string, bytes: Buffer, at: number): number {
  const end = writeText(text, bytes, at + 4);
  bytes.writeInt32BE(end - at - 4, at);
  return end;
}

function writeText(text: string, bytes: Buffer, at: number): number {
  if (text.length > loopLengthMax) return at + bytes.write(text, at);
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return at + bytes.write(text, at);
    bytes[at + index] = code;
  }
  return at + text.length;
}

/** @throws RemotingError `malformed` when a length points outside the header. */
export function decodeBinaryHeader({ bytes, headerStart, headerEnd, body }: Frame): Command {
  if (headerEnd - headerStart < fixedBytes) throw malformed();
  const remarkAt = headerStart + fixedBytes;
  const fieldsAt = endOfText(bytes, remarkAt, headerEnd);
  const end = endOfText(bytes, fieldsAt, headerEnd);
  return {
    code: bytes.readInt16BE(headerStart),
    language: languages[bytes.readInt8(headerStart + 2)],
    version: bytes.readInt16BE(headerStart + 3),
    opaque: bytes.readInt32BE(headerStart + 5),
    flag: bytes.readInt32BE(headerStart + 9),
    remark: fieldsAt === remarkAt + 4 ? undefined : bytes.toString('utf8', remarkAt + 4, fieldsAt),
    extFields: decodeExtFields(bytes, fieldsAt + 4, end),
    body,
  };
}

function decodeExtFields(bytes: Buffer, start: number, end: number): ExtFields {
  const fields = newExtFields();
  if (start === end) return fields;
  const textAt = textReader(bytes, start, end);
  let at = start;
  while (at < end) {
    if (at + 2 > end) throw malformed();
    const nameStart = at + 2;
    const nameEnd = nameStart + bytes.readInt16BE(at);
    if (nameEnd < nameStart || nameEnd > end) throw malformed();
    at = endOfText(bytes, nameEnd, end);
    fields[textAt(nameStart, nameEnd)] = textAt(nameEnd + 4, at);
  }
  return fields;
}

/** Reads texts between two places. Where all is ASCII they are parts of one text, which is cheaper than to ask for each. */
function textReader(bytes: Buffer, start: number, end: number): (start: number, end: number) => string {
  for (let at = start; at < end; at += 1) {
    if ((bytes[at] ?? 0) > 0x7f) return (from, to) => bytes.toString('utf8', from, to);
  }
  const all = bytes.toString('latin1', start, end);
  return (from, to) => all.slice(from - start, to - start);
}

/** Where a text ends whose length, an int32, is at `at`. */
function endOfText(bytes: Buffer, at: number, limit: number): number {
  if (at + 4 > limit) throw malformed();
  const start = at + 4;
  const end = start + bytes.readInt32BE(at);
  if (end < start || end > limit) throw malformed();
  return end;
}

function malformed(): RemotingError {
  return new RemotingError('malformed', 'a binary header ends before its fields do');
}
