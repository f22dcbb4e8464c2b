import { isDeepStrictEqual } from 'node:util';
import { create, type DescField, type DescMessage, fromBinary, ScalarType, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codecs, rawDecoders } from '../../../src/gen/rocketmq/rocketmq_codec.ts';
import { file_rocketmq_rocketmq, SendMessageRequestSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { ProtoError } from '../../../src/wire/proto-error.ts';
import { ProtoReader } from '../../../src/wire/proto-reader.ts';
import { ProtoWriter } from '../../../src/wire/proto-writer.ts';
import { TextMap } from '../../../src/wire/text-map.ts';
import { Mutator } from '../../support/mutator.ts';
import { knownFields } from '../../support/protobuf-model.ts';

/** A codec whose message is known by its descriptor only. */
interface AnyCodec {
  decode(reader: ProtoReader, message?: unknown): unknown;
  encode(writer: ProtoWriter, message: unknown): void;
}

const suites: readonly [string, DescMessage, AnyCodec][] = Object.entries(codecs).map(([typeName, codec]) => {
  const desc = file_rocketmq_rocketmq.messages.find((one) => one.typeName === typeName);
  if (desc === undefined) throw new Error(`there is no ${typeName}`);
  return [typeName, desc, codec as AnyCodec];
});

function decode(codec: AnyCodec, bytes: Uint8Array): unknown {
  return codec.decode(new ProtoReader(bytes));
}

function encode(codec: AnyCodec, message: unknown): Buffer {
  const writer = new ProtoWriter();
  codec.encode(writer, message);
  return writer.written();
}

/** What protobuf-es makes of it; undefined where it refuses. */
function judged(desc: DescMessage, bytes: Uint8Array): unknown {
  try {
    return fromBinary(desc, bytes, { readUnknownFields: false });
  } catch {
    return undefined;
  }
}

/** What protobuf-es 2.13 makes of a value: bytes without Node's own methods, and it takes a byte order mark at the beginning of each text, and loses map entries named `__proto__`. */
function asJudged(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/^\ufeff/, '');
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(asJudged);
  const entries = Object.entries(value).filter(([key]) => key.replace(/^\ufeff/, '') !== '__proto__');
  return Object.fromEntries(entries.map(([key, one]) => [asJudged(key), asJudged(one)]));
}

/** Random messages of a type: objects as `create` takes them. */
function messagesOf(desc: DescMessage): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(desc.fields.map((field) => [field.localName, valuesOf(field)])), {
    requiredKeys: [],
    noNullPrototype: true,
  });
}

const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ maxLength: 40 }),
  fc.integer({ min: 0, max: 300 }).map((length) => 'x'.repeat(length)),
);
const bytes = fc.uint8Array({ maxLength: 300 });

function valuesOf(field: DescField): fc.Arbitrary<unknown> {
  if (field.fieldKind === 'map') return fc.dictionary(texts, texts, { maxKeys: 5, noNullPrototype: true });
  const { message } = field;
  const one = message === undefined ? scalarsOf(field) : messagesOf(message).map((init) => create(message, init));
  return field.fieldKind === 'list' ? fc.array(one, { maxLength: 4 }) : one;
}

function scalarsOf(field: DescField): fc.Arbitrary<unknown> {
  switch (field.scalar) {
    case ScalarType.STRING:
      return texts;
    case ScalarType.BYTES:
      return bytes;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.INT32:
      return fc.oneof(fc.integer(), fc.nat({ max: 300 }));
    default:
      return fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: 0n, max: 2n ** 53n + 2n }),
      );
  }
}

describe.each(suites)('the codec of %s', (_, desc, codec) => {
  it('writes the bytes of protobuf-es, and reads what it writes', () => {
    fc.assert(
      fc.property(messagesOf(desc), (init) => {
        const message = create(desc, init);
        const written = encode(codec, message);
        expect(written.equals(toBinary(desc, message))).toBe(true);
        expect(encode(codec, init).equals(written)).toBe(true);
        const read = decode(codec, written);
        expect(encode(codec, read).equals(written)).toBe(true);
        expect(asJudged(read)).toStrictEqual(asJudged(judged(desc, written)));
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it('reads a message that stands in other bytes, and in two parts', () => {
    fc.assert(
      fc.property(messagesOf(desc), messagesOf(desc), bytes, (first, second, around) => {
        const parts = [first, second].map((init) => toBinary(desc, create(desc, init)));
        const both = Buffer.concat(parts);
        const start = around.length;
        const inside = Buffer.concat([around, both, around]);
        const message = codec.decode(new ProtoReader(inside, start, start + both.length));
        expect(asJudged(message)).toStrictEqual(asJudged(judged(desc, both)));
      }),
      { seed: 7, numRuns: 50 },
    );
  });

  it('takes and refuses changed bytes as protobuf-es does, where they hold nothing but its fields', () => {
    const samples = fc.sample(messagesOf(desc), { seed: 7, numRuns: 20 });
    const valid = samples.map((init) => Buffer.from(toBinary(desc, create(desc, init))));
    const mutator = new Mutator(7);
    for (let run = 0; run < 3_000; run += 1) {
      const mutated = mutator.mutate(valid);
      const known = knownFields(desc, mutated);
      const expected = known === undefined ? undefined : judged(desc, known);
      let message: unknown;
      try {
        message = decode(codec, mutated);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtoError);
      }
      // To ask Vitest each time would take most of the test's time.
      if (isDeepStrictEqual(asJudged(message), asJudged(expected))) continue;
      expect(asJudged(message), mutated.toString('hex')).toStrictEqual(asJudged(expected));
    }
  });

  it('refuses what is cut off, in the middle of a field', () => {
    const [init = {}] = fc.sample(messagesOf(desc), { seed: 11, numRuns: 1 });
    const whole = toBinary(desc, create(desc, init));
    for (let length = 0; length < whole.length; length += 1) {
      const cut = whole.subarray(0, length);
      const isWhole = judged(desc, cut) !== undefined;
      if (isWhole) expect(asJudged(decode(codec, cut))).toStrictEqual(asJudged(judged(desc, cut)));
      else expect(() => decode(codec, cut)).toThrow(ProtoError);
    }
  });
});

it.each([
  { tag: 5 },
  { tag: null, properties: null, binaryBody: null },
  { messageBody: Buffer.from('x') },
  { binaryBody: [1, 2] },
  { properties: { properties: { count: 5, none: undefined }, startDeliverTime: 5 } },
  { properties: { properties: null, startDeliverTime: null, transCheckImmunityTime: null } },
])('writes what programs without types give as protobuf-es does: %o', (init) => {
  const desc: DescMessage = SendMessageRequestSchema;
  const codec = codecs['rocketmq.SendMessageRequest'] as AnyCodec;
  expect(encode(codec, init).equals(toBinary(desc, create(desc, init)))).toBe(true);
});

/** A raw message as one of strings. */
function ofStrings(value: unknown, name = ''): unknown {
  if (value instanceof TextMap) return value.toRecord();
  if (name === 'messageBody' && value instanceof Uint8Array) return Buffer.from(value).toString();
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => ofStrings(one));
  const message = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, ofStrings(one, key)]));
  return message['$typeName'] === 'rocketmq.MessageProperties' ? { properties: {}, ...message } : message;
}

const rawSuites = suites.flatMap(([typeName, desc, codec]) => {
  const raw = Object.entries(rawDecoders).find(([name]) => name === typeName)?.[1];
  return raw === undefined ? [] : [[typeName, desc, codec, raw] as const];
});

it('reads raw what sends', () => {
  expect(rawSuites.map(([typeName]) => typeName)).toEqual(Object.keys(rawDecoders));
  expect(Object.keys(rawDecoders)).toContain('rocketmq.PublishRequest');
});

describe.each(rawSuites)('the raw decoder of %s', (_, desc, codec, raw) => {
  it('takes, reads and refuses as the one that gives strings', () => {
    const samples = fc.sample(messagesOf(desc), { seed: 7, numRuns: 20 });
    const valid = samples.map((init) => Buffer.from(toBinary(desc, create(desc, init))));
    const mutator = new Mutator(7);
    const read = (work: (reader: ProtoReader) => unknown, from: Buffer): unknown => {
      try {
        return work(new ProtoReader(from));
      } catch (error) {
        return error instanceof ProtoError ? error.message : expect.fail(String(error));
      }
    };
    for (let run = 0; run < 1_000; run += 1) {
      const mutated = run < valid.length ? (valid[run] ?? Buffer.alloc(0)) : mutator.mutate(valid);
      const expected = read((reader) => codec.decode(reader), mutated);
      const given = ofStrings(read(raw, mutated));
      if (!isDeepStrictEqual(given, expected)) expect(given, mutated.toString('hex')).toStrictEqual(expected);
    }
  });
});
