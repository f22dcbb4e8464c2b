import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import { decodeProperties, encodeProperties, hasPropertySeparator } from '../../src/remoting/message-properties.ts';

const text = fc.string({ unit: 'grapheme' }).filter((value) => !hasPropertySeparator(value));
const filled = text.filter((value) => value !== '');

describe('encodeProperties', () => {
  test('writes name 0x01 value 0x02, in the given order', () => {
    const properties = [
      ['TAGS', 'TagA'],
      ['color', 'röt'],
    ] as const;
    expect(encodeProperties(properties)).toBe('TAGS\u0001TagA\u0002color\u0001röt\u0002');
  });

  test('leaves out empty values', () => {
    expect(
      encodeProperties([
        ['a', ''],
        ['b', 'c'],
      ]),
    ).toBe('b\u0001c\u0002');
  });

  test.each([
    ['an empty name', '', 'x'],
    ['0x01 in a name', 'a\u0001b', 'x'],
    ['0x02 in a name', 'a\u0002', 'x'],
    ['0x01 in a value', 'a', 'x\u0001'],
    ['0x02 in a value, which would forge a property', 'user', 'x\u0002DELAY\u00011'],
  ])('refuses %s', (_, name, value) => {
    expect(() => encodeProperties([[name, value]])).toThrow(RemotingError);
  });
});

describe('decodeProperties', () => {
  // What MessageDecoder.string2messageProperties of rocketmq-common 5.5.0 makes of the same text.
  test.each<[string, Record<string, string>]>([
    ['', {}],
    ['a\u0001b\u0002', { a: 'b' }],
    ['a\u0001b', { a: 'b' }],
    ['\u0001b\u0002', {}],
    ['a\u0001\u0002', {}],
    ['a\u0002', {}],
    ['a\u0001b\u0001c\u0002', { a: 'b\u0001c' }],
    ['a\u0001b\u0002a\u0001d\u0002', { a: 'd' }],
    ['\u0002\u0002x\u0001y', { x: 'y' }],
    ['ab\u0002c\u0001d\u0002', { c: 'd' }],
    ['a\u0001b\u0002\u0001\u0001\u0001\u0002zz\u0001\u0002', { a: 'b' }],
  ])('of %j is what Java reads', (encoded, expected) => {
    expect(Object.fromEntries(decodeProperties(encoded))).toEqual(expected);
  });

  test('gives back what was encoded', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(filled, text)), (pairs) => {
        const properties = new Map(pairs);
        const kept = new Map([...properties].filter(([, value]) => value !== ''));
        expect(decodeProperties(encodeProperties(properties))).toEqual(kept);
      }),
    );
  });

  test('reads any text without failing', () => {
    const unit = fc.constantFrom('\u0001', '\u0002', 'a', 'b', 'ä');
    fc.assert(
      fc.property(fc.string({ unit }), (any) => {
        for (const [name, value] of decodeProperties(any)) expect([name, value]).not.toContain('');
      }),
    );
  });
});
