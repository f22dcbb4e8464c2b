import { expect, it } from 'vitest';
import { ProtoReader } from '../../src/wire/proto-reader.ts';
import type { TextMap } from '../../src/wire/text-map.ts';

const delimited = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length]), bytes]);
const text = (tag: number, value: Buffer): Buffer => Buffer.concat([Buffer.from([tag]), delimited(value)]);
const entry = (name: string, value: string): Buffer =>
  Buffer.concat([text(0x0a, Buffer.from(name)), text(0x12, Buffer.from(value))]);

function read(entries: readonly Buffer[]): TextMap {
  const reader = new ProtoReader(Buffer.concat(entries.map(delimited)));
  let map: TextMap | undefined;
  for (const _ of entries) map = reader.mapPlaces(map);
  return map ?? expect.fail('no entries');
}

it('has entries as they lie, and makes strings of them when asked', () => {
  const map = read([entry('größe', '1'), entry('a', 'x'), entry('größe', '22'), entry('__proto__', 'p')]);
  expect(map.count).toBe(4);
  expect(map.textBytes).toBe(7 + 1 + 1 + 1 + 7 + 2 + 9 + 1);
  expect(Object.entries(map.toRecord())).toEqual([
    ['größe', '22'],
    ['a', 'x'],
    ['__proto__', 'p'],
  ]);
});

it('takes entries without a name, without a value, in any order and with fields that are not known', () => {
  const unknown = Buffer.from('1801', 'hex');
  const backwards = Buffer.concat([text(0x12, Buffer.from('v')), unknown, text(0x0a, Buffer.from('n'))]);
  const map = read([Buffer.alloc(0), text(0x0a, Buffer.from('name')), backwards]);
  expect(map.toRecord()).toEqual({ '': '', name: '', n: 'v' });
});

it.each([0x0a, 0x12])('takes no text that is not UTF-8: field %i', (tag) => {
  for (const bytes of ['ff', `${'61'.repeat(100)}c3`]) {
    const refused = expect.objectContaining({ name: 'ProtoError', kind: 'text' });
    expect(() => read([text(tag, Buffer.from(bytes, 'hex'))])).toThrow(refused);
  }
});
