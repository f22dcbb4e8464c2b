import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ExtFields, newExtFields } from '../../src/remoting/command.ts';
import { decodeBinaryHeader, encodeBinaryHeader, fitsBinaryHeader } from '../../src/remoting/header-binary.ts';
import type { Header } from '../../src/remoting/header-json.ts';

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'toString', ''));
const int16 = fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const headers: fc.Arbitrary<Header> = fc.record({
  code: int16,
  opaque: int32,
  flag: int32,
  version: int16,
  remark: fc.option(
    text.filter((remark) => remark !== ''),
    { nil: undefined },
  ),
  extFields: fc.array(fc.tuple(text, text)).map((entries) => {
    const fields: ExtFields = newExtFields();
    for (const [name, value] of entries) fields[name] = value;
    return fields;
  }),
});

const full: Header = {
  code: 310,
  opaque: 5,
  flag: 0,
  version: 475,
  remark: 'no',
  extFields: { a: 'group', i: '', 名: '🚀' },
};
const malformed = expect.objectContaining({ name: 'RemotingError', kind: 'malformed' });

describe('binary headers', () => {
  test('come back as they went, whatever their texts and names', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const decoded = decodeBinaryHeader(encodeBinaryHeader(header));
        expect(decoded).toEqual({ ...header, language: 'NODE_JS' });
        expect(Object.entries(decoded.extFields)).toEqual(Object.entries(header.extFields));
      }),
    );
  });

  test('read an empty remark as none', () => {
    expect(decodeBinaryHeader(encodeBinaryHeader({ ...full, remark: '' })).remark).toBeUndefined();
  });

  test('give fields that meet no inherited name', () => {
    const { extFields } = decodeBinaryHeader(encodeBinaryHeader({ ...full, extFields: newExtFields() }));
    expect(extFields['constructor']).toBeUndefined();
  });

  test('that end early are malformed, wherever they end', () => {
    const bytes = encodeBinaryHeader(full);
    for (let end = 0; end < bytes.length; end += 1) {
      expect(() => decodeBinaryHeader(bytes.subarray(0, end)), `${end} bytes`).toThrow(malformed);
    }
  });

  test('whose field map ends early are malformed, wherever it ends', () => {
    const bytes = encodeBinaryHeader(full);
    const mapLengthAt = 13 + 4 + 2;
    const mapBytes = bytes.readInt32BE(mapLengthAt);
    // Cut after a whole field, the map is a shorter one.
    const wholeAt = [0, 2 + 1 + 4 + 5, 2 + 1 + 4 + 5 + 2 + 1 + 4];
    for (let length = 0; length < mapBytes; length += 1) {
      bytes.writeInt32BE(length, mapLengthAt);
      const cut = bytes.subarray(0, mapLengthAt + 4 + length);
      if (wholeAt.includes(length))
        expect(Object.keys(decodeBinaryHeader(cut).extFields)).toHaveLength(wholeAt.indexOf(length));
      else expect(() => decodeBinaryHeader(cut), `${length} bytes`).toThrow(malformed);
    }
  });

  test.each([
    ['remark', 13],
    ['field map', 13 + 4 + 2],
    ['field value', 13 + 4 + 2 + 4 + 2 + 1],
  ])('with a %s length outside the header are malformed', (_, at) => {
    for (const length of [-1, -2147483648, 2147483647, 10_000]) {
      const bytes = encodeBinaryHeader(full);
      bytes.writeInt32BE(length, at);
      expect(() => decodeBinaryHeader(bytes)).toThrow(malformed);
    }
  });

  test('with a field name length outside the header are malformed', () => {
    for (const length of [-1, -32768, 32767]) {
      const bytes = encodeBinaryHeader(full);
      bytes.writeInt16BE(length, 13 + 4 + 2 + 4);
      expect(() => decodeBinaryHeader(bytes)).toThrow(malformed);
    }
  });

  test('of garbage fail as malformed and in no other way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodeBinaryHeader(Buffer.from(bytes));
        } catch (error) {
          expect(error).toEqual(malformed);
        }
      }),
    );
  });

  test('carry codes that fit an int16 and refuse others instead of cutting them', () => {
    expect([-32769, -32768, 32767, 32768, 200050].map(fitsBinaryHeader)).toEqual([false, true, true, false, false]);
    expect(decodeBinaryHeader(encodeBinaryHeader({ ...full, code: 32767 })).code).toBe(32767);
    expect(() => encodeBinaryHeader({ ...full, code: 32768 })).toThrow(malformed);
  });

  test('carry field names of up to 32,767 bytes', () => {
    const longest = `${'é'.repeat(16_383)}e`;
    expect(decodeBinaryHeader(encodeBinaryHeader({ ...full, extFields: { [longest]: 'x' } })).extFields).toEqual({
      [longest]: 'x',
    });
    expect(() => encodeBinaryHeader({ ...full, extFields: { [`${longest}e`]: 'x' } })).toThrow(malformed);
  });
});
