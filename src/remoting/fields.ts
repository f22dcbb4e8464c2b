import { type Answer, type Command, type CommandContent, type ExtFields, newExtFields } from './command.ts';
import { RemotingError, ResponseError } from './errors.ts';
import { ResponseCode } from './response-code.ts';

/** How a header field's text is read: `int64` as bigint (offsets), `millis` as a number (times and durations in ms). */
export type FieldKind = 'string' | 'int32' | 'int64' | 'millis' | 'boolean';

export interface FieldSpec {
  readonly kind: FieldKind;
  /** Name on the wire, where it is not the field's own. */
  readonly wire?: string;
  readonly optional?: true;
}

export type FieldTable = Readonly<Record<string, FieldSpec>>;

type ValueOf<K extends FieldKind> = K extends 'string'
  ? string
  : K extends 'int64'
    ? bigint
    : K extends 'boolean'
      ? boolean
      : number;

/** The values that a table declares. */
export type FieldsOf<T extends FieldTable> = {
  readonly [N in keyof T as T[N] extends { optional: true } ? never : N]: ValueOf<T[N]['kind']>;
} & {
  readonly [N in keyof T as T[N] extends { optional: true } ? N : never]?: ValueOf<T[N]['kind']> | undefined;
};

/** One request code: its tables give both directions of its request and of its reply. */
export interface RequestDefinition<Q extends FieldTable, R extends FieldTable> {
  readonly code: number;
  readonly name: string;
  encode(values: FieldsOf<Q>, body?: Uint8Array): CommandContent;
  /** @throws RemotingError `malformed`, naming the field. */
  decode(request: Command): FieldsOf<Q>;
  /**
   * @param address `host:port` of the server that answered, for the error.
   * @throws ResponseError when the code is none of the definition's success codes; RemotingError `malformed`.
   */
  decodeReply(reply: Command, address: string): FieldsOf<R>;
  /** The answer of a server that has done what was asked. */
  answer(values: FieldsOf<R>, more?: AnswerMore): Answer;
}

/** What an answer may have besides its fields. */
export interface AnswerMore {
  /** Default: SUCCESS. */
  readonly code?: number;
  readonly remark?: string;
  readonly body?: Uint8Array;
}

export interface RequestDeclaration<Q extends FieldTable, R extends FieldTable> {
  readonly code: number;
  readonly name: string;
  readonly request: Q;
  readonly reply: R;
  /** Codes that carry the declared reply. Default: SUCCESS. */
  readonly successCodes?: readonly number[];
}

/** Declares a request by its header tables (Java: one `CommandCustomHeader` class each way). */
export function defineRequest<const Q extends FieldTable, const R extends FieldTable>(
  declaration: RequestDeclaration<Q, R>,
): RequestDefinition<Q, R> {
  const { code, name, request, reply, successCodes = [ResponseCode.SUCCESS] } = declaration;
  return {
    code,
    name,
    encode: (values, body) => ({
      code,
      extFields: encodeFields(request, values),
      ...(body === undefined ? {} : { body }),
    }),
    decode: (command) => decodeFields(request, command.extFields, name),
    decodeReply: (command, address) => {
      if (!successCodes.includes(command.code)) throw new ResponseError(command.code, command.remark ?? '', address);
      return decodeFields(reply, command.extFields, `the reply to ${name}`);
    },
    answer: (values, more) => ({ code: ResponseCode.SUCCESS, ...more, extFields: encodeFields(reply, values) }),
  };
}

/**
 * Writes the fields that have a value; absent ones are left out, as the protocol wants null values to be.
 * @throws RemotingError `malformed`, naming the field, when a number is not what its kind can carry: servers would fail on it
 * with an exception text that names nothing.
 */
export function encodeFields<T extends FieldTable>(table: T, values: FieldsOf<T>): ExtFields {
  const extFields = newExtFields();
  for (const name of Object.keys(table)) {
    const spec = table[name];
    const value = (values as Record<string, string | number | bigint | boolean | undefined>)[name];
    if (spec === undefined || value === undefined) continue;
    if (!fitsKind(spec.kind, value)) throw new RemotingError('malformed', `${name} cannot be ${value}`);
    extFields[spec.wire ?? name] = String(value);
  }
  return extFields;
}

/** @throws RemotingError `malformed`, naming the field, when a required one is missing or a value is not of its kind. */
export function decodeFields<T extends FieldTable>(table: T, extFields: ExtFields, what: string): FieldsOf<T> {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(table)) {
    const spec = table[name];
    if (spec === undefined) continue;
    const text = extFields[spec.wire ?? name];
    if (text === undefined) {
      if (spec.optional !== true) throw new RemotingError('malformed', `${what} has no ${name}`);
      continue;
    }
    const value = readValue(spec.kind, text);
    if (value === undefined) throw new RemotingError('malformed', `${name} of ${what} is not of kind ${spec.kind}`);
    values[name] = value;
  }
  return values as FieldsOf<T>;
}

/** Undefined for what is not of the kind. */
function readValue(kind: FieldKind, text: string): string | number | bigint | boolean | undefined {
  if (kind === 'string') return text;
  // Java's own reading: whatever is not true is false.
  if (kind === 'boolean') return text.toLowerCase() === 'true';
  const value = readInteger(kind, text);
  return fitsKind(kind, value) ? value : undefined;
}

/** NaN for what is not an integer. */
function readInteger(kind: FieldKind, text: string): number | bigint {
  if (!/^-?\d{1,19}$/.test(text)) return Number.NaN;
  return kind === 'int64' ? BigInt(text) : Number(text);
}

function fitsKind(kind: FieldKind, value: string | number | bigint | boolean): boolean {
  switch (kind) {
    case 'int64':
      return typeof value === 'bigint' && BigInt.asIntN(64, value) === value;
    case 'int32':
      return typeof value === 'number' && value === (value | 0);
    case 'millis':
      return Number.isSafeInteger(value);
    default:
      return true;
  }
}
