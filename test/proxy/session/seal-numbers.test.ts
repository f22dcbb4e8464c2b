import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberSeal, numberKeyBytes, sealedNumberChars } from '../../../src/proxy/session/seal-numbers.ts';

const key = Buffer.alloc(numberKeyBytes, 'key');
const numberMax = 2 ** 48 - 1;

describe('a sealed number', () => {
  it('opens with the same key, whatever it is, and has one text', () => {
    const [one, other] = [new NumberSeal(key), new NumberSeal(key)];
    fc.assert(
      fc.property(fc.integer({ min: 0, max: numberMax }), (number) => {
        const text = one.seal(number);
        expect(text).toHaveLength(sealedNumberChars);
        expect([other.seal(number), one.open(text), other.open(text)]).toEqual([text, number, number]);
      }),
    );
    const near = [0, 1, 15, 16, 17, 15, 32, 31, numberMax - 20, numberMax - 1, numberMax, numberMax - 1];
    expect(near.map((number) => other.open(one.seal(number)))).toEqual(near);
    expect([0, numberMax].map((number) => one.open(one.seal(number)))).toEqual([0, numberMax]);
  });

  it.each([-1, numberMax + 1, 0.5, Number.NaN])('is none of what is no number of 48 bits: %s', (number) => {
    const seal = new NumberSeal(key);
    expect(() => seal.seal(number)).toThrow(RangeError);
    expect(seal.open(seal.seal(7))).toBe(7);
  });

  it('shows nothing of the number, or of its neighbours', () => {
    const seal = new NumberSeal(key);
    const texts = Array.from({ length: 1_000 }, (_, number) => seal.seal(number));
    expect(new Set(texts.map((text) => text.slice(0, 12))).size).toBe(texts.length);
    expect(new Set(texts.map((text) => text.slice(-12))).size).toBe(texts.length);
  });

  it('does not open with another key, or once a character is altered, added or left out', () => {
    const seal = new NumberSeal(key);
    const text = seal.seal(4_711);
    expect(new NumberSeal(Buffer.alloc(numberKeyBytes, 'other')).open(text)).toBeUndefined();
    for (let index = 0; index < text.length; index += 1) {
      const [before, after] = [text.slice(0, index), text.slice(index + 1)];
      for (const char of ['A', 'B', 'w', '_', '+', '=', '.', '\u0000', '\u1234', ''])
        if (char !== text[index]) expect(seal.open(before + char + after)).toBeUndefined();
      expect(seal.open(`${before}A${text[index]}${after}`)).toBeUndefined();
    }
    expect(seal.open(text)).toBe(4_711);
  });

  it('is never what was made up', () => {
    const seal = new NumberSeal(key);
    const blocks = fc
      .uint8Array({ minLength: 16, maxLength: 16 })
      .map((bytes) => Buffer.from(bytes).toString('base64url'));
    fc.assert(fc.property(fc.oneof(blocks, fc.string()), (text) => seal.open(text) === undefined));
  });

  it('needs a key of its length', () => {
    for (const length of [0, numberKeyBytes - 1, numberKeyBytes + 1])
      expect(() => new NumberSeal(Buffer.alloc(length))).toThrow(RangeError);
  });
});
