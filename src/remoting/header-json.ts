import { type Command, type ExtFields, newExtFields } from './command.ts';
import { RemotingError } from './errors.ts';
import type { Frame } from './frame.ts';

/** A command without its body: what a header carries. */
export type Header = Omit<Command, 'body'>;

/**
 * Writes header serialisation 0: one JSON object whose `extFields` values are all strings. Brokers 4.x do not know our language
 * and take it for none, which of all requests only their offset reset (222) cannot bear:
 * it says `OTHER`.
 */
export function jsonHeader(header: Header): string {
  const { code, flag, opaque, version, remark, extFields, language = 'NODE_JS' } = header;
  return JSON.stringify({
    code,
    language,
    version,
    opaque,
    flag,
    remark,
    serializeTypeCurrentRPC: 'JSON',
    extFields,
  });
}

/** @throws RemotingError `malformed` when the bytes are no JSON object with the numbers that every header has. */
export function decodeJsonHeader({ bytes, headerStart, headerEnd, body }: Frame): Command {
  const value = parseObject(bytes.toString('utf8', headerStart, headerEnd));
  const { remark, language } = value;
  return {
    code: integer(value, 'code'),
    opaque: integer(value, 'opaque'),
    flag: integer(value, 'flag'),
    version: value['version'] === undefined ? 0 : integer(value, 'version'),
    language: typeof language === 'string' ? language : undefined,
    remark: typeof remark === 'string' ? remark : undefined,
    extFields: stringFields(value['extFields']),
    body,
  };
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RemotingError('malformed', 'a header is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RemotingError('malformed', 'a header is not a JSON object');
  }
  return value as Record<string, unknown>;
}

function integer(header: Record<string, unknown>, name: string): number {
  const value = header[name];
  if (typeof value === 'number' && Number.isInteger(value) && value === (value | 0)) return value;
  throw new RemotingError('malformed', `the header field ${name} is not an int32`);
}

/** Servers write strings; numbers and booleans of other clients are read as their text, null as absent. */
function stringFields(value: unknown): ExtFields {
  const fields = newExtFields();
  if (typeof value !== 'object' || value === null) return fields;
  for (const name of Object.keys(value)) {
    const field = (value as Record<string, unknown>)[name];
    if (typeof field === 'string') fields[name] = field;
    else if (typeof field === 'number' || typeof field === 'boolean') fields[name] = String(field);
  }
  return fields;
}
