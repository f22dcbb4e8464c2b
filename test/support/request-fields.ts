/** What the descriptors in `src/gen` say of requests: every field of every RPC, and how to fill it rightly and wrongly. */
import type { DescField, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import { create, ScalarType, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** A request as it is given to `create`. */
export type Init = Readonly<Record<string, unknown>>;

/** One field of a request, perhaps within another one. */
export interface RequestField {
  readonly method: DescMethod;
  /** From the request down. */
  readonly path: readonly DescField[];
  /** The last of them. */
  readonly field: DescField;
  /** `Message.field`, as in the proto. */
  readonly name: string;
}

/** Every field of a service's requests, those within fields too. */
export function fieldsOf(service: DescService): readonly RequestField[] {
  return service.methods.flatMap((method) => fieldsWithin(method, method.input, []));
}

function fieldsWithin(method: DescMethod, message: DescMessage, above: readonly DescField[]): RequestField[] {
  return message.fields.flatMap((field) => {
    const path = [...above, field];
    const inner = messageOf(field);
    const own = { method, path, field, name: `${message.name}.${field.name}` };
    return [own, ...(inner === undefined ? [] : fieldsWithin(method, inner, path))];
  });
}

/** The type of a field that holds messages. */
function messageOf(field: DescField): DescMessage | undefined {
  if (field.fieldKind === 'message') return field.message;
  return field.fieldKind === 'list' && field.listKind === 'message' ? field.message : undefined;
}

/** The request with this value in that field; undefined: without it. */
export function withField(request: Init, [field, ...rest]: readonly DescField[], value: unknown): Init {
  if (field === undefined) return request;
  if (field.oneof !== undefined) {
    const group = field.oneof.localName;
    const { [group]: _, ...others } = request;
    return value === undefined && rest.length === 0
      ? others
      : { ...others, [group]: { case: field.localName, value: inner({}, rest, value) } };
  }
  const { [field.localName]: old, ...others } = request;
  if (rest.length === 0 && value === undefined) return others;
  if (rest.length === 0) return { ...others, [field.localName]: value };
  const [first] = Array.isArray(old) ? old : [old];
  const changed = withField({ ...first }, rest, value);
  return { ...others, [field.localName]: field.fieldKind === 'list' ? [changed] : changed };
}

function inner(request: Init, rest: readonly DescField[], value: unknown): unknown {
  return rest.length === 0 ? value : withField(request, rest, value);
}

export function encode({ input }: DescMethod, request: Init): Uint8Array {
  return toBinary(input, create(input, request));
}

/** Requests whose field is of another type on the wire than it should be, or cut off, or no text. */
export function wronglyTyped({ method, path, field }: RequestField, request: Init): readonly Uint8Array[] {
  const rest = encode(method, withField(request, path, undefined));
  return wrongFields(field).map((wrong) => Buffer.concat([rest, wrapped(path.slice(0, -1), wrong)]));
}

function wrapped(above: readonly DescField[], bytes: Uint8Array): Uint8Array {
  return above.reduceRight<Uint8Array>(
    (within, { number }) => new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(within).finish(),
    bytes,
  );
}

function wrongFields(field: DescField): readonly Uint8Array[] {
  const { number } = field;
  const tagged = (type: WireType, ...bytes: number[]): Uint8Array =>
    new BinaryWriter().tag(number, type).raw(Uint8Array.from(bytes)).finish();
  const fixed = [tagged(WireType.Bit64, 1, 2, 3, 4, 5, 6, 7, 8), tagged(WireType.Bit32, 1, 2, 3, 4)];
  const groups = [tagged(WireType.StartGroup), tagged(WireType.EndGroup)];
  // As no type is.
  const unknown = [Uint8Array.of((number << 3) | 6), Uint8Array.of((number << 3) | 7)];
  return [
    ...fixed,
    ...groups,
    ...unknown,
    ...(isDelimited(field) ? notDelimited(tagged, field) : notVarint(tagged, field)),
  ];
}

type Tagged = (type: WireType, ...bytes: number[]) => Uint8Array;

function notDelimited(tagged: Tagged, { scalar }: DescField): readonly Uint8Array[] {
  return [
    tagged(WireType.Varint, 0),
    tagged(WireType.Varint, 5),
    // Lengths that lie: nothing follows, 4 GiB, and more than any number has.
    tagged(WireType.LengthDelimited, 5),
    tagged(WireType.LengthDelimited, 0xff, 0xff, 0xff, 0xff, 0x0f),
    tagged(WireType.LengthDelimited, ...new Array<number>(11).fill(0xff)),
    // No UTF-8, and no message; bytes may be anything.
    ...(scalar === ScalarType.BYTES ? [] : [tagged(WireType.LengthDelimited, 2, 0xc3, 0x28)]),
  ];
}

function notVarint(tagged: Tagged, { scalar }: DescField): readonly Uint8Array[] {
  if (scalar === ScalarType.DOUBLE || scalar === ScalarType.FLOAT) return [];
  return [
    tagged(WireType.LengthDelimited, 3, 0x61, 0x62, 0x63),
    tagged(WireType.Varint),
    tagged(WireType.Varint, ...new Array<number>(11).fill(0xff)),
  ];
}

function isDelimited(field: DescField): boolean {
  if (field.fieldKind !== 'scalar') return field.fieldKind !== 'enum';
  return field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
}

/** Values that JSON may not have for a field. */
export function wrongJson(field: DescField): readonly unknown[] {
  switch (field.fieldKind) {
    case 'list':
      return [5, 'x', {}];
    case 'map':
      return [5, 'x', { name: 5 }, { name: {} }];
    case 'message':
      return [5, 'x', []];
    case 'enum':
      // Names that are not known are passed over, as fields are.
      return [1.5, {}, true];
    default:
      break;
  }
  if (field.scalar === ScalarType.STRING) return [5, true, {}, []];
  if (field.scalar === ScalarType.BYTES) return [5, true, {}, '\u00e4 is no base64'];
  if (field.scalar === ScalarType.BOOL) return [1, 'true', {}];
  return ['x', 1.5, 1e30, true, {}, '9223372036854775808'];
}
