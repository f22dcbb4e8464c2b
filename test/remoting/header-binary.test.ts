import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Command, type ExtFields, newExtFields } from '../../src/remoting/command.ts';
import { binaryHeaderBytesMax, decodeBinaryHeader, writeBinaryHeader } from '../../src/remoting/header-binary.ts';
import type { Header } from '../../src/remoting/header-json.ts';
import { frameOfHeader } from '../support/encoded-command.ts';

const body = Buffer.alloc(0);

/** As a stand-alone buffer; empty values are written as they are. */
function encode(header: Header): Buffer {
  const bytes = Buffer.alloc(1_000_000);
  return bytes.subarray(5, writeBinaryHeader(header, bytes, 5));
}

function decode(bytes: Buffer): Command {
  return decodeBinaryHeader(frameOfHeader(bytes));
}

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
        const decoded = decode(encode(header));
        expect(decoded).toEqual({ ...header, language: 'NODE_JS', body });
        expect(Object.entries(decoded.extFields)).toEqual(Object.entries(header.extFields));
      }),
    );
  });

  test('read an empty remark as none', () => {
    expect(decode(encode({ ...full, remark: '' })).remark).toBeUndefined();
  });

  test('give fields that meet no inherited name', () => {
    const { extFields } = decode(encode({ ...full, extFields: newExtFields() }));
    expect(extFields['constructor']).toBeUndefined();
  });

  test('that end early are malformed, wherever they end', () => {
    const bytes = encode(full);
    for (let end = 0; end < bytes.length; end += 1) {
      expect(() => decode(bytes.subarray(0, end)), `${end} bytes`).toThrow(malformed);
    }
  });

  test('whose field map ends early are malformed, wherever it ends', () => {
    const bytes = encode(full);
    const mapLengthAt = 13 + 4 + 2;
    const mapBytes = bytes.readInt32BE(mapLengthAt);
    // Cut after a whole field, the map is a shorter one.
    const wholeAt = [0, 2 + 1 + 4 + 5, 2 + 1 + 4 + 5 + 2 + 1 + 4];
    for (let length = 0; length < mapBytes; length += 1) {
      bytes.writeInt32BE(length, mapLengthAt);
      const cut = bytes.subarray(0, mapLengthAt + 4 + length);
      if (wholeAt.includes(length)) expect(Object.keys(decode(cut).extFields)).toHaveLength(wholeAt.indexOf(length));
      else expect(() => decode(cut), `${length} bytes`).toThrow(malformed);
    }
  });

  test.each([
    ['remark', 13],
    ['field map', 13 + 4 + 2],
    ['field value', 13 + 4 + 2 + 4 + 2 + 1],
  ])('with a %s length outside the header are malformed', (_, at) => {
    for (const length of [-1, -2147483648, 2147483647, 10_000]) {
      const bytes = encode(full);
      bytes.writeInt32BE(length, at);
      expect(() => decode(bytes)).toThrow(malformed);
    }
  });

  test('with a field name length outside the header are malformed', () => {
    for (const length of [-1, -32768, 32767]) {
      const bytes = encode(full);
      bytes.writeInt16BE(length, 13 + 4 + 2 + 4);
      expect(() => decode(bytes)).toThrow(malformed);
    }
  });

  test('of garbage fail as malformed and in no other way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decode(Buffer.from(bytes));
        } catch (error) {
          expect(error).toEqual(malformed);
        }
      }),
    );
  });

  test('need no more room than they are said to, whatever their texts', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const bytesMax = binaryHeaderBytesMax(header);
        const isLossy =
          Object.keys(header.extFields).length === 0 || Object.values(header.extFields).some((value) => value === '');
        expect(bytesMax === undefined).toBe(isLossy);
        if (bytesMax !== undefined) expect(encode(header).length).toBeLessThanOrEqual(bytesMax);
      }),
    );
  });

  test('carry codes that fit an int16, and no others', () => {
    const extFields = { a: '1' };
    const fits = (code: number): boolean => binaryHeaderBytesMax({ ...full, code, extFields }) !== undefined;
    expect([-32769, -32768, 32767, 32768, 200050].map(fits)).toEqual([false, true, true, false, false]);
    for (const code of [-32768, 32767]) expect(decode(encode({ ...full, code })).code).toBe(code);
  });

  test('carry field names that are sure to fit 32,767 bytes', () => {
    const longest = `${'é'.repeat(10_921)}e`;
    const fits = (name: string): boolean => binaryHeaderBytesMax({ ...full, extFields: { [name]: 'x' } }) !== undefined;
    expect(fits(longest)).toBe(true);
    expect(fits(`${longest}e`)).toBe(false);
    expect(decode(encode({ ...full, extFields: { [longest]: 'x' } })).extFields).toEqual({ [longest]: 'x' });
  });
});
