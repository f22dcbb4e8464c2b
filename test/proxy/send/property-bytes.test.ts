import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storedProperties } from '../../../src/client/send/outgoing-message.ts';
import { decodeRawSendMessageRequest, decodeSendMessageRequest } from '../../../src/gen/rocketmq/rocketmq_codec.ts';
import { type SendRequest, toOutgoing } from '../../../src/proxy/send/outgoing.ts';
import { propertyBytesOf } from '../../../src/proxy/send/property-bytes.ts';
import { decodeProperties, encodeProperties } from '../../../src/remoting/message-properties.ts';
import { ProtoError } from '../../../src/wire/proto-error.ts';
import { ProtoReader } from '../../../src/wire/proto-reader.ts';
import { TextMap } from '../../../src/wire/text-map.ts';

type Pair = readonly [string, string];

function mapOf(pairs: readonly Pair[]): TextMap {
  const map = new TextMap(Buffer.from(`before${pairs.flat().join('')}after`));
  let at = 6;
  for (const text of pairs.flat()) {
    const end = at + Buffer.byteLength(text);
    map.places.push(at, end);
    at = end;
  }
  return map;
}

const numbered = (count: number): Pair[] => Array.from({ length: count }, (_, index) => [`name${index}`, 'v']);

describe('properties without strings', () => {
  it.each<[string, Pair[]]>([
    ['none', []],
    ['some', [...numbered(3), ['größe', '😀 \0']]],
    ['names that begin like reserved ones', Object.entries({ TAG: 'a', _: 'b', '1': 'c', __RMQ: 'd', KEYS2: 'e' })],
    ['names of one length', Object.entries({ ab: 'a', ac: 'b', bb: 'c' })],
    ['sixteen', numbered(16)],
  ])('are as they are written of strings: %s', (_, pairs) => {
    expect(propertyBytesOf(mapOf(pairs))?.toString()).toBe(encodeProperties(pairs));
  });

  it.each<[string, Pair[]]>([
    ['an empty name', [['', 'v']]],
    ['an empty value', [['name', '']]],
    [
      'a reserved name',
      [
        ['a', 'v'],
        ['TAGS', 'v'],
      ],
    ],
    ['a transient one', [['__RMQ.TRANSIENT.x', 'v']]],
    [
      'a name that comes again',
      [
        ['a', 'v'],
        ['b', 'v'],
        ['a', 'w'],
      ],
    ],
    ['0x01 in a name', [['a\u0001', 'v']]],
    ['0x02 in a value', [['a', '\u0002']]],
    ['seventeen', numbered(17)],
  ])('are left to strings where something may be wrong: %s', (_, pairs) => {
    expect(propertyBytesOf(mapOf(pairs))).toBeUndefined();
  });
});

/** A field of the request as it travels. */
type Write = (writer: BinaryWriter) => BinaryWriter;

const names = fc.constantFrom('a', 'b', 'größe', 'TAGS', 'TAG', '__proto__', '', '7', 'x\u0001', '__RMQ.TRANSIENT.a');
const texts = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('v', 'value', 'ß', '\ufeffmark', '\ufffd') },
  fc.constantFrom('', '\u0002', 'v'.repeat(16_000)),
);
const goodNames = fc.constantFrom('a', 'b', 'c', 'größe', 'TAG', '7');
const notUtf8 = fc.constant(Uint8Array.from([0x61, 0xff]));
const asBytes = (text: fc.Arbitrary<string>) => text.map((one) => Buffer.from(one));
const field = (number: number, value: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Write> =>
  value.map((bytes) => (writer) => writer.tag(number, 2).bytes(bytes));
const message = (parts: readonly Write[]): Uint8Array =>
  parts.reduce((writer, write) => write(writer), new BinaryWriter()).finish();
const unknown: fc.Arbitrary<Write> = fc.constant((writer) => writer.tag(200, 0).uint32(300));

function entries(name: fc.Arbitrary<string>, value: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Write> {
  const parts = fc.oneof(
    { weight: 9, arbitrary: fc.tuple(field(1, asBytes(name)), field(2, value)) },
    fc.array(fc.oneof(field(1, asBytes(name)), field(2, value), unknown), { maxLength: 4 }),
  );
  return field(1, parts.map(message));
}

function requests(entry: fc.Arbitrary<Write>, more: fc.Arbitrary<Write>[]): fc.Arbitrary<Uint8Array> {
  const properties = fc.array(fc.oneof({ weight: 4, arbitrary: entry }, field(2, asBytes(texts)), unknown), {
    maxLength: 20,
  });
  const fields = fc.oneof(
    field(1, asBytes(fc.constant('producer'))),
    field(2, asBytes(fc.constantFrom('', 'body', 'größe '.repeat(40)))),
    field(3, asBytes(fc.constantFrom('', 'tag'))),
    { weight: 2, arbitrary: field(4, properties.map(message)) },
    unknown,
    ...more,
  );
  return fc.array(fields, { maxLength: 6 }).map(message);
}

const usual = requests(entries(goodNames, asBytes(fc.constantFrom('v', 'größe'))), []);
const odd = requests(entries(names, fc.oneof({ weight: 9, arbitrary: asBytes(texts) }, notUtf8)), [
  field(2, notUtf8),
  field(3, asBytes(fc.constant('\u0001'))),
  field(10, fc.uint8Array({ maxLength: 3 })),
]);

/** What would be stored, with the properties as receivers have them; or the refusal. */
function outcome(read: (reader: ProtoReader) => SendRequest, bytes: Uint8Array): unknown {
  try {
    const outgoing = toOutgoing('topic', read(new ProtoReader(bytes)));
    const { body, properties, propertyBytes, ...rest } = outgoing;
    const stored = `${propertyBytes ?? ''}${encodeProperties(storedProperties(outgoing, 'id'))}`;
    return { ...rest, body: Buffer.from(body).toString('hex'), stored: decodeProperties(stored) };
  } catch (error) {
    if (error instanceof ProtoError || error instanceof ConnectError) return error;
    throw error;
  }
}

describe('a request of bytes becomes the same message as one of strings, or is refused by the same words', () => {
  it.each([
    ['usual ones', usual],
    ['odd ones', odd],
  ])('%s', (_, arbitrary) => {
    let takenCount = 0;
    fc.assert(
      fc.property(arbitrary, (bytes) => {
        const ofStrings = outcome(decodeSendMessageRequest, bytes);
        expect(outcome(decodeRawSendMessageRequest, bytes)).toEqual(ofStrings);
        if (!(ofStrings instanceof Error)) takenCount += 1;
      }),
      { seed: 7, numRuns: 1_000 },
    );
    // Both are met.
    expect(takenCount).toBeGreaterThan(100);
  });
});
