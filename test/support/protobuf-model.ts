import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';

const groupDepthMax = 100;

/** A field as it stands in a message. */
interface WireField {
  readonly number: number;
  readonly wireType: number;
  /** Without the length of what has one. */
  readonly value: Uint8Array;
  /** With it. */
  readonly raw: Uint8Array;
}

/**
 * A message with nothing in it but fields that it has, written by their own wire type: what is to be read of any bytes. It is
 * slow and plain, and goes by the descriptors.
 * @returns undefined where the bytes are no message: cut off, also in a message inside it, or against the encoding's rules.
 */
export function knownFields(desc: DescMessage, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return rewritten(desc, bytes);
  } catch (error) {
    if (error instanceof NoMessage) return undefined;
    throw error;
  }
}

class NoMessage extends Error {}

function rewritten(desc: DescMessage, bytes: Uint8Array): Uint8Array {
  const writer = new BinaryWriter();
  for (const { number, wireType, value, raw } of fieldsOf(bytes)) {
    const field = desc.fields.find((one) => one.number === number);
    if (field === undefined || wireTypeOf(field) !== wireType) continue;
    writer.tag(number, wireType);
    if (field.fieldKind === 'map') writer.bytes(rewrittenEntry(value));
    else if (field.message !== undefined) writer.bytes(rewritten(field.message, value));
    else writer.raw(raw);
  }
  return writer.finish();
}

/** Of a `map<string, string>`. */
function rewrittenEntry(bytes: Uint8Array): Uint8Array {
  const writer = new BinaryWriter();
  for (const { number, wireType, raw } of fieldsOf(bytes)) {
    if (number <= 2 && wireType === 2) writer.tag(number, wireType).raw(raw);
  }
  return writer.finish();
}

function wireTypeOf(field: DescField): number {
  return [ScalarType.BOOL, ScalarType.INT32, ScalarType.INT64].some((one) => one === field.scalar) ? 0 : 2;
}

function* fieldsOf(bytes: Uint8Array): Generator<WireField> {
  let at = 0;
  while (at < bytes.length) {
    const { number, wireType, start } = tagAt(bytes, at);
    const end = endOf(bytes, start, number, wireType, 0);
    const valueStart = wireType === 2 ? varintAt(bytes, start).end : start;
    yield { number, wireType, value: bytes.subarray(valueStart, end), raw: bytes.subarray(start, end) };
    at = end;
  }
}

function tagAt(bytes: Uint8Array, at: number): { number: number; wireType: number; start: number } {
  const { value, end } = varintAt(bytes, at);
  const number = Number(value >> 3n);
  if (end - at > 5 || value > 0xffff_ffffn || number === 0) throw new NoMessage();
  return { number, wireType: Number(value & 7n), start: end };
}

/** Where the value of a field ends that begins at a place. */
function endOf(bytes: Uint8Array, at: number, number: number, wireType: number, depth: number): number {
  let end = at;
  if (wireType === 0) end = varintAt(bytes, at).end;
  else if (wireType === 1) end = at + 8;
  else if (wireType === 5) end = at + 4;
  else if (wireType === 2) {
    const length = varintAt(bytes, at);
    end = length.end + Number(length.value & 0xffff_ffffn);
  } else if (wireType === 3 && depth < groupDepthMax) {
    for (let inner = tagAt(bytes, at); ; inner = tagAt(bytes, end)) {
      end = inner.start;
      if (inner.wireType === 4 && inner.number === number) return end;
      end = endOf(bytes, end, inner.number, inner.wireType, depth + 1);
    }
  } else throw new NoMessage();
  if (end > bytes.length) throw new NoMessage();
  return end;
}

function varintAt(bytes: Uint8Array, at: number): { value: bigint; end: number } {
  let value = 0n;
  for (let index = 0; index < 10; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) throw new NoMessage();
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value, end: at + index + 1 };
  }
  throw new NoMessage();
}
