import { describe, expect, test } from 'vitest';
import {
  compareNumbers,
  type JavaNumber,
  negated,
  parseDouble,
  parseJavaNumber,
  parseLong,
  trimmed,
} from '../../../src/broker/filters/java-text.ts';

function integer(text: string): number | bigint | undefined {
  return parseJavaNumber(text, 'integer')?.value;
}

function double(value: number): JavaNumber {
  return { kind: 'double', value };
}

describe('whole numbers', () => {
  test.each([
    ['0', 0],
    ['-0', 0],
    ['+7', 7],
    ['007', 7],
    [`${'0'.repeat(100_000)}5`, 5],
    ['2147483647', 2_147_483_647],
    ['-2147483648', -2_147_483_648],
  ])('Integer.valueOf takes %.20s', (text, value) => {
    expect(integer(text)).toBe(value);
  });

  test.each([
    ...['', ' ', ' 5', '5 ', '5.0', '1e3', '0x10', '5L', '1_000', '+', '--5', '٣', '2147483648', '-2147483649'],
    '4294967296',
    '9'.repeat(100_000),
    `${'0'.repeat(100_000)}x`,
  ])('Integer.valueOf refuses %.20j', (text) => {
    expect(integer(text)).toBeUndefined();
  });

  test('Long.valueOf has 64 bits', () => {
    expect(parseLong('9223372036854775807')?.value).toBe(9_223_372_036_854_775_807n);
    expect(parseLong('-9223372036854775808')?.value).toBe(-9_223_372_036_854_775_808n);
    expect(parseLong('9223372036854775808')).toBeUndefined();
    expect(parseLong('-9223372036854775809')).toBeUndefined();
    expect(parseLong('1.0')).toBeUndefined();
    expect(parseJavaNumber('5', 'long')).toEqual({ kind: 'long', value: 5n });
  });
});

describe('doubles', () => {
  test.each([
    ['5', 5],
    [' 5.5\t', 5.5],
    ['5.', 5],
    ['.5', 0.5],
    ['-.5e1', -5],
    ['+1E3', 1000],
    ['6f', 6],
    ['6.5D', 6.5],
    ['1e999', Infinity],
    ['-Infinity', -Infinity],
    ['NaN', NaN],
    ['-0.0', -0],
  ])('Double.valueOf takes %j', (text, value) => {
    expect(parseDouble(text)).toEqual(double(value));
    expect(parseJavaNumber(text, 'double')).toEqual(double(value));
  });

  test.each([
    ...['', '.', 'e5', '1.5e', '1e+', '5L', '0x10', 'nan', 'infinity', '1 000', '\u00a05', '5ff'],
    `${'1'.repeat(100_000)}x`,
  ])('Double.valueOf refuses %.20j', (text) => {
    expect(parseDouble(text)).toBeUndefined();
  });
});

describe('compareNumbers', () => {
  const ascending: readonly JavaNumber[] = [
    double(-Infinity),
    { kind: 'long', value: -(2n ** 63n) },
    { kind: 'integer', value: -1 },
    double(-0),
    double(0),
    double(0.5),
    { kind: 'integer', value: 1 },
    { kind: 'long', value: 2n ** 53n },
    { kind: 'long', value: 2n ** 53n + 1n },
    double(Infinity),
    double(NaN),
  ];

  test('orders as Java does', () => {
    for (const [index, number] of ascending.entries()) {
      expect(compareNumbers(number, number)).toBe(0);
      for (const greater of ascending.slice(index + 1)) {
        expect(compareNumbers(number, greater), `${number.value} < ${greater.value}`).toBeLessThan(0);
        expect(compareNumbers(greater, number), `${greater.value} > ${number.value}`).toBeGreaterThan(0);
      }
    }
  });

  test('makes a long a double beside a double, so that it loses its last bits', () => {
    expect(compareNumbers({ kind: 'long', value: 2n ** 53n + 1n }, double(2 ** 53))).toBe(0);
  });
});

test('negated keeps the kind', () => {
  expect(negated({ kind: 'integer', value: 5 })).toEqual({ kind: 'integer', value: -5 });
  expect(negated({ kind: 'integer', value: 0 })).toEqual({ kind: 'integer', value: 0 });
  expect(negated({ kind: 'long', value: 5n })).toEqual({ kind: 'long', value: -5n });
  expect(negated(double(0.5))).toEqual(double(-0.5));
});

test('trimmed takes away what is not above the space', () => {
  expect(trimmed('\u0000\u001f \ta b\n ')).toBe('a b');
  expect(trimmed('\u00a0a\u3000')).toBe('\u00a0a\u3000');
  expect(trimmed(' \t ')).toBe('');
});
