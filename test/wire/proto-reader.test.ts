import { describe, expect, it } from 'vitest';
import type { ProtoErrorKind } from '../../src/wire/proto-error.ts';
import { ProtoReader, protoFieldsMax, protoGroupDepthMax } from '../../src/wire/proto-reader.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

function reader(text: string): ProtoReader {
  return new ProtoReader(hex(text));
}

/** A text with its length in front. */
function delimited(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/** Passes over all fields. @returns how many there were. */
function skipAll(one: ProtoReader): number {
  let count = 0;
  for (let tag = one.tag(); tag >= 0; tag = one.tag()) {
    one.skip(tag);
    count += 1;
  }
  return count;
}

function refusal(kind: ProtoErrorKind): unknown {
  return expect.objectContaining({ name: 'ProtoError', kind });
}

describe('ProtoReader reads', () => {
  it.each([
    ['00', 0n],
    ['7f', 127n],
    ['8001', 128n],
    ['ffffffff0f', 0xffff_ffffn],
    ['8080808010', 0x1_0000_0000n],
    ['ffffffffffffff0f', 2n ** 53n - 1n],
    ['8080808080808010', 2n ** 53n],
    ['ffffffffffffffff7f', 2n ** 63n - 1n],
    ['80808080808080808001', -(2n ** 63n)],
    ['ffffffffffffffffff01', -1n],
    ['80808080808080808000', 0n],
  ])('the int64 %s', (text, value) => {
    expect(reader(text).int64()).toBe(value);
  });

  it.each([
    ['00', 0],
    ['ffffffff07', 0x7fff_ffff],
    ['8080808008', -0x8000_0000],
    ['ffffffffffffffffff01', -1],
    ['ffffffff8f808080807f', -1],
  ])('the int32 %s, of more bits than 32 the lowest', (text, value) => {
    expect(reader(text).int32()).toBe(value);
  });

  it.each([
    ['00', false],
    ['01', true],
    ['8000', false],
    ['80808080808080808001', true],
  ])('the bool %s', (text, value) => {
    expect(reader(text).bool()).toBe(value);
  });

  it.each(['', 'a', 'x'.repeat(12), 'x'.repeat(13), 'größe', 'größe '.repeat(9), '\ufeffx', '\ufffd', '😀', '\0'])(
    'the text %j',
    (text) => {
      expect(new ProtoReader(delimited(Buffer.from(text))).string()).toBe(text);
    },
  );

  it('bytes without copying them, also from a part of them', () => {
    const all = Uint8Array.from([9, 9, 2, 1, 2, 9]);
    const bytes = new ProtoReader(all, 2, 5).bytes();
    expect([...bytes]).toEqual([1, 2]);
    all[3] = 7;
    expect([...bytes]).toEqual([7, 2]);
  });

  it('tags of one byte and of five, and the end', () => {
    const one = reader('0a 00 fa ff ff ff 0f 00');
    expect(one.tag()).toBe(10);
    expect(one.string()).toBe('');
    expect(one.tag()).toBe(0xffff_fffa);
    one.skip(0xffff_fffa);
    expect(one.tag()).toBe(-1);
  });

  it('map entries: keys and values that are missing, come twice or in the other order, and fields besides', () => {
    const record: { [key: string]: string } = {};
    for (const entry of ['00', '03 0a 01 61', '06 12 01 31 0a 01 62', '0b 0a 01 63 0a 01 64 12 01 32 18 00']) {
      reader(entry).mapEntry(record);
    }
    reader('06 0a 01 62 12 01 39').mapEntry(record);
    expect(record).toEqual({ '': '', a: '', b: '9', d: '2' });
  });

  it('a map entry named __proto__, which is no prototype', () => {
    const record: { [key: string]: string } = {};
    const entry = Buffer.concat([hex('0a 09'), Buffer.from('__proto__'), hex('12 01 78')]);
    new ProtoReader(delimited(entry)).mapEntry(record);
    expect(Object.entries(record)).toEqual([['__proto__', 'x']]);
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe('ProtoReader passes over', () => {
  it.each([
    ['numbers', '08 01 10 ffffffffffffffffff01'],
    ['fixed ones', '09 0102030405060708 15 01020304'],
    ['texts', '0a 00 12 02 ffff'],
    ['groups in groups', '0b 13 18 01 14 0c 0b 0c'],
  ])('%s', (_, text) => {
    expect(skipAll(reader(text))).toBe(2);
  });

  it('groups inside each other, up to a depth', () => {
    const groups = (depth: number): Buffer => Buffer.concat([Buffer.alloc(depth, 0x0b), Buffer.alloc(depth, 0x0c)]);
    expect(skipAll(new ProtoReader(groups(protoGroupDepthMax)))).toBe(1);
    expect(() => skipAll(new ProtoReader(groups(protoGroupDepthMax + 1)))).toThrow(refusal('limit'));
    expect(() => skipAll(new ProtoReader(Buffer.alloc(5_000_000, 0x0b)))).toThrow(refusal('limit'));
  });

  it('as many fields as a message may have', () => {
    const fields = (count: number): ProtoReader => new ProtoReader(Buffer.alloc(2 * count, Buffer.from([8, 0])));
    expect(skipAll(fields(protoFieldsMax))).toBe(protoFieldsMax);
    expect(() => skipAll(fields(protoFieldsMax + 1))).toThrow(refusal('limit'));
  });

  it('no more entries of a map than that, half of a million of a million', () => {
    const record = {};
    const entries = new ProtoReader(Buffer.alloc(2_000_000, Buffer.from([10, 0])));
    const readAll = (): void => {
      while (entries.tag() >= 0) entries.mapEntry(record);
    };
    expect(readAll).toThrow(refusal('limit'));
  });
});

describe('ProtoReader refuses', () => {
  it.each<[string, ProtoErrorKind, string]>([
    ['a field number of 0', 'malformed', '00 00'],
    ['a field number of 0 in two bytes', 'malformed', '82 00 00'],
    ['a tag of six bytes', 'malformed', '88 80 80 80 80 00 00'],
    ['a tag of more than 32 bits', 'malformed', '88 80 80 80 10 00'],
    ['wire type 6', 'malformed', '0e 00'],
    ['wire type 7', 'malformed', '0f 00'],
    ['an end of a group without its start', 'malformed', '0c'],
    ['an end of another group', 'malformed', '0b 14'],
    ['a number of eleven bytes', 'malformed', '08 8080808080808080808000'],
    ['a group without its end', 'truncated', '0b 08 00'],
    ['a tag that is cut off', 'truncated', '88'],
    ['a number that is cut off', 'truncated', '08 80'],
    ['a number that is missing', 'truncated', '08'],
    ['a length that is cut off', 'truncated', '0a 80'],
    ['a length that is missing', 'truncated', '0a'],
    ['a text that is cut off', 'truncated', '0a 02 61'],
    ['a text of 4 GiB', 'truncated', '0a ffffffff0f 61'],
    ['eight bytes that are cut off', 'truncated', '09 01020304050607'],
    ['four bytes that are cut off', 'truncated', '0d 010203'],
  ])('%s', (_, kind, text) => {
    expect(() => skipAll(reader(text))).toThrow(refusal(kind));
  });

  it.each(['string', 'bytes', 'bool', 'int32', 'int64'] as const)('a %s that goes on behind the end', (method) => {
    const bytes = hex('02 61 61 80 01');
    expect(() => new ProtoReader(bytes, 0, 0)[method]()).toThrow(refusal('truncated'));
    expect(() => new ProtoReader(bytes, 3, 4)[method]()).toThrow(refusal('truncated'));
  });

  it.each(['bool', 'int32', 'int64'] as const)('a %s of eleven bytes', (method) => {
    expect(() => reader('80 80 80 80 80 80 80 80 80 80 00')[method]()).toThrow(refusal('malformed'));
  });

  it('a field that goes on behind the message that it is in', () => {
    const one = reader('0a 02 0a 01 61 61');
    one.tag();
    one.enter();
    one.tag();
    expect(() => one.string()).toThrow(refusal('truncated'));
  });

  it.each([
    ['a byte that begins nothing', 'ff'],
    ['a byte that ends nothing', '80'],
    ['a character that is cut off', 'c3'],
    ['a character of more bytes than it needs', 'c080'],
    ['half of a surrogate pair', 'eda080'],
    ['a number above Unicode', 'f4908080'],
  ])('a text with %s, without telling what else is in it', (_, text) => {
    for (const before of ['', 'secret', 'a longer secret, with U+FFFD: \ufffd']) {
      const bytes = delimited(Buffer.concat([Buffer.from(before), hex(text)]));
      expect(() => new ProtoReader(bytes).string()).toThrow(refusal('text'));
      expect(() => new ProtoReader(bytes).string()).not.toThrow(/secret/);
    }
  });
});
