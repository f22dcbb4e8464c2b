import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HpackDecoder } from '../../../src/http2/hpack/decoder.ts';
import { HpackError } from '../../../src/http2/hpack/hpack-error.ts';
import { staticFields } from '../../../src/http2/hpack/static-table.ts';

const limits = { tableBytesMax: 4_096, listBytesMax: 16_384, fieldsMax: 128 };

function decoder(changed: Partial<typeof limits> = {}): HpackDecoder {
  return new HpackDecoder({ ...limits, ...changed });
}

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
}

/** Fields as `name: value`. */
function lines(one: HpackDecoder, block: Buffer): string[] {
  return one.decode(block).fields.map(({ name, value }) => `${name}: ${value}`);
}

/** A literal for the table: name of one octet, and a value. */
function added(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40, 1]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
}

const get = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const getIndex = [':method: GET', ':scheme: https', ':path: /index.html', ':authority: www.example.com'];
const requests = [get, [...get, 'cache-control: no-cache'], [...getIndex, 'custom-key: custom-value']];

const location = 'location: https://www.example.com';
const date = (second: number) => `date: Mon, 21 Oct 2013 20:13:${second} GMT`;
const cookie = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const responses = [
  [':status: 302', 'cache-control: private', date(21), location],
  [':status: 307', 'cache-control: private', date(21), location],
  [':status: 200', 'cache-control: private', date(22), location, 'content-encoding: gzip', cookie],
];

describe('HpackDecoder', () => {
  test.each([
    ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', 'custom-key: custom-header', true],
    ['040c 2f73 616d 706c 652f 7061 7468', ':path: /sample/path', false],
    ['1008 7061 7373 776f 7264 0673 6563 7265 74', 'password: secret', false],
    ['82', ':method: GET', false],
  ])('reads RFC 7541, appendix C.2: %s', (hex, line, isIndexed) => {
    const one = decoder();
    expect(lines(one, bytes(hex))).toEqual([line]);
    if (isIndexed) expect(lines(one, bytes('be'))).toEqual([line]);
    else expect(() => one.decode(bytes('be'))).toThrow(HpackError);
  });

  test.each([
    [
      'C.3',
      ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '8286 84be 5808 6e6f 2d63 6163 6865'],
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'C.4',
      ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '8286 84be 5886 a8eb 1064 9cbf'],
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('reads the requests of RFC 7541, appendix %s', (_, firstBlocks, lastBlock) => {
    const one = decoder();
    const blocks = [...firstBlocks, lastBlock];
    expect(blocks.map((hex) => lines(one, bytes(hex)))).toEqual(requests);
    const entries = ['custom-key: custom-value', 'cache-control: no-cache', ':authority: www.example.com'];
    expect(lines(one, bytes('bebfc0'))).toEqual(entries);
    expect(() => one.decode(bytes('c1'))).toThrow(HpackError);
  });

  test.each([
    [
      'C.5',
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
       1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
       4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
       7369 6f6e 3d31`,
    ],
    [
      'C.6',
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
       97c8 e9ae 82ae 43d3`,
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
       cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
  ])('reads the responses of RFC 7541, appendix %s, whose table has 256 bytes', (_, ...blocks) => {
    const one = decoder();
    // A table size update to 256.
    expect(lines(one, bytes('3fe101'))).toEqual([]);
    expect(blocks.map((hex) => lines(one, bytes(hex)))).toEqual(responses);
    expect(lines(one, bytes('bebfc0'))).toEqual([cookie, 'content-encoding: gzip', date(22)]);
    expect(() => one.decode(bytes('c1'))).toThrow(HpackError);
  });

  test('hands out the fields of its tables as they are', () => {
    const one = decoder();
    const [first] = one.decode(added('a', 'b')).fields;
    const { fields } = one.decode(bytes('82be82'));
    expect(fields[0]).toBe(staticFields[1]);
    expect(fields[1]).toBe(first);
    expect(fields[2]).toBe(fields[0]);
  });

  test('takes every way to name a field', () => {
    const one = decoder();
    one.decode(added('a', 'b'));
    expect(lines(one, bytes('0f2f 0163 7e01 64 1f30 0165'))).toEqual(['a: c', 'a: d', 'a: e']);
  });

  test.each([
    ['80', 'index 0'],
    ['be', 'an index behind an empty table'],
    ['ff80ffff7f', 'an index that no table has'],
    ['7e0161', 'a name behind an empty table'],
    ['ff', 'an index that is cut off'],
    ['ffffffffffff7f', 'an index that is too long'],
    ['40', 'a name that is cut off'],
    ['400161', 'a value that is missing'],
    ['40016105', 'a value that is cut off'],
    ['4001618182', 'a value with bad padding'],
    ['400161ff', 'a length that is cut off'],
    ['8220', 'a size behind a field'],
    ['3fe21f', 'a size of one more than it may be'],
    ['3fffffffff7f', 'a size beyond all measure'],
  ])('refuses %s: %s', (hex) => {
    expect(() => decoder().decode(bytes(hex))).toThrow(HpackError);
  });

  test('changes the size of its table, also twice before a block', () => {
    const one = decoder();
    one.decode(added('a', 'b'));
    // 0, which empties it, then 4,096 again.
    expect(lines(one, bytes('20 3fe11f 82'))).toEqual([':method: GET']);
    expect(() => one.decode(bytes('be'))).toThrow(HpackError);
    expect(lines(one, added('c', 'd'))).toEqual(['c: d']);
    expect(lines(one, bytes('be'))).toEqual(['c: d']);
  });

  test('has 4,096 bytes until the peer chooses, whatever it may choose', () => {
    for (const tableBytesMax of [0, 65_536]) {
      const one = decoder({ tableBytesMax });
      // 102 entries of 40 bytes fit.
      for (let count = 0; count < 103; count += 1) one.decode(added('a', String(count).padStart(7, '0')));
      expect(lines(one, bytes('ff24'))).toEqual(['a: 0000001']);
      expect(() => one.decode(bytes('ff25'))).toThrow(HpackError);
    }
    expect(() => decoder({ tableBytesMax: 0 }).decode(bytes('21'))).toThrow(HpackError);
    expect(lines(decoder({ tableBytesMax: 65_536 }), bytes('3fe1ff03'))).toEqual([]);
  });

  test('says that a list is too large by its limits, to the byte and to the field', () => {
    const block = Buffer.concat([added('a', 'bc'), added('d', 'efg')]);
    expect(decoder({ listBytesMax: 35 + 36 }).decode(block)).toMatchObject({ isTooLarge: false });
    const short = decoder({ listBytesMax: 35 + 35 });
    expect(short.decode(block)).toEqual({ fields: [{ name: 'a', value: 'bc' }], isTooLarge: true });
    expect(decoder({ fieldsMax: 2 }).decode(block)).toMatchObject({ isTooLarge: false });
    expect(decoder({ fieldsMax: 1 }).decode(block)).toEqual({ fields: [{ name: 'a', value: 'bc' }], isTooLarge: true });
    // A small field behind one that did not fit is not kept either.
    expect(decoder({ listBytesMax: 50 }).decode(Buffer.concat([added('a', 'x'.repeat(60)), bytes('82')]))).toEqual({
      fields: [],
      isTooLarge: true,
    });
    // The table is right all the same.
    expect(lines(short, bytes('bebf'))).toEqual(['d: efg']);
    expect(lines(short, bytes('bf'))).toEqual(['a: bc']);
  });

  test('keeps nothing of an HPACK bomb (R-45): one large entry, named by a million octets', () => {
    const one = decoder();
    const large = Buffer.concat([bytes('400161 7f a11e'), Buffer.alloc(4_000, 'x')]);
    const { fields, isTooLarge } = one.decode(Buffer.concat([large, Buffer.alloc(1_000_000, 0xbe)]));
    expect(isTooLarge).toBe(true);
    expect(fields).toHaveLength(4);
    expect(new Set(fields).size).toBe(1);
  });

  test('refuses what is wrong also behind the limit of a list', () => {
    expect(() => decoder({ fieldsMax: 1 }).decode(bytes('828280'))).toThrow(HpackError);
  });

  test('throws nothing but HpackError, and ends, whatever it reads', () => {
    const seeds = ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '3fe101 4882 6402 5885 aec3 771a 4b be bf 0f2f 0163'];
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(30), fc.nat(255)), { maxLength: 4 }))
      .map(([hex, changes]) => {
        const block = bytes(hex);
        for (const [place, octet] of changes) block[place % block.length] = octet;
        return block;
      });
    const anything = fc.uint8Array({ maxLength: 80 }).map((octets) => Buffer.from(octets));
    fc.assert(
      fc.property(fc.array(fc.oneof(mutated, anything), { minLength: 1, maxLength: 5 }), (blocks) => {
        const one = decoder({ listBytesMax: 300, fieldsMax: 5 });
        try {
          for (const block of blocks) expect(one.decode(block).fields.length).toBeLessThanOrEqual(5);
        } catch (error) {
          expect(error).toBeInstanceOf(HpackError);
        }
      }),
      { seed: 7541, numRuns: 5_000 },
    );
  });
});
