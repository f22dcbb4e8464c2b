import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFilter, FilterError, filterExpressionLengthMax } from '../../../src/broker/filters/message-filter.ts';
import { javaStringHash } from '../../../src/remoting/java-hash.ts';

/** The message of the FilterError that a filter cannot be made for; undefined where it can. */
function refusal(expressionType: string | undefined, expression: string | undefined): string | undefined {
  try {
    createFilter(expressionType, expression);
    return undefined;
  } catch (error) {
    if (error instanceof FilterError) return error.message;
    throw error;
  }
}

describe('a tag filter', () => {
  test.each([
    [undefined, undefined],
    ['', ''],
    ['TAG', '*'],
  ])('of %j and %j wants all messages', (expressionType, expression) => {
    const filter = createFilter(expressionType, expression);
    expect(filter.needsProperties).toBe(false);
    for (const tagsCode of [0, 1, -1, javaStringHash('a')]) expect(filter.matchesTagsCode(tagsCode)).toBe(true);
    expect(filter.matches(new Map())).toBe(true);
  });

  test.each([undefined, '', 'TAG'])('of type %j wants messages with the hash of one of its tags', (expressionType) => {
    const filter = createFilter(expressionType, 'Aa || 订单');
    expect(filter.needsProperties).toBe(false);
    expect(filter.matchesTagsCode(javaStringHash('订单'))).toBe(true);
    expect(filter.matchesTagsCode(javaStringHash('BB')), 'which has the hash of Aa').toBe(true);
    expect(filter.matchesTagsCode(javaStringHash('aa'))).toBe(false);
    expect(filter.matchesTagsCode(0), 'a message without a tag').toBe(false);
    expect(filter.matches(new Map([['TAGS', 'other']]))).toBe(true);
  });
});

interface Verdict {
  readonly expression: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly verdict: 'true' | 'false' | 'null' | 'throws' | 'refused';
}

const { pairs }: { readonly pairs: readonly Verdict[] } = JSON.parse(
  readFileSync(new URL('sql-verdicts.json', import.meta.url), 'utf8'),
);

describe('an SQL92 filter', () => {
  test('leaves the tags code aside', () => {
    const filter = createFilter('SQL92', "TAGS = 'a'");
    expect(filter.needsProperties).toBe(true);
    expect(filter.matchesTagsCode(0)).toBe(true);
    expect(filter.matches(new Map([['TAGS', 'a']]))).toBe(true);
    expect(filter.matches(new Map([['TAGS', 'b']]))).toBe(false);
    expect(filter.matches(new Map())).toBe(false);
  });

  test.each(pairs)('of $expression says to $properties what Java says: $verdict', (pair) => {
    if (pair.verdict === 'refused') {
      expect(refusal('SQL92', pair.expression)).toMatch(/^at character \d+ of the expression: /);
    } else {
      const filter = createFilter('SQL92', pair.expression);
      expect(filter.matches(new Map(Object.entries(pair.properties)))).toBe(pair.verdict === 'true');
    }
  });

  test.each([undefined, '', ' '])('of %j is refused', (expression) => {
    expect(refusal('SQL92', expression)).toMatch(/the end stands where a property or a value is wanted/);
  });
});

describe('createFilter', () => {
  test('knows two types', () => {
    expect(refusal('sql92', 'TRUE')).toBe('the filter expression type "sql92" is not known; use TAG or SQL92');
    expect(refusal('x'.repeat(1_000), 'TRUE')).toHaveLength(100);
  });

  test('takes so long an expression and no longer', () => {
    const tag = 'x'.repeat(filterExpressionLengthMax);
    expect(refusal('TAG', tag)).toBeUndefined();
    expect(refusal('TAG', `${tag}x`)).toMatch(
      /^the filter expression has 16385 characters; at most 16384 are allowed$/,
    );
    const sql = `a = '${'x'.repeat(filterExpressionLengthMax - 6)}'`;
    expect(refusal('SQL92', sql)).toBeUndefined();
    expect(refusal('SQL92', `${sql} `)).toMatch(/at most 16384/);
  });

  const words = fc.constantFrom(
    ...[
      'a',
      '$b',
      'NOT',
      'not',
      'AND',
      'OR',
      'BETWEEN',
      'IN',
      'IS',
      'NULL',
      'TRUE',
      'CONTAINS',
      'STARTSWITH',
      'ENDSWITH',
    ],
    ...[
      '(',
      ')',
      '(',
      ')',
      ',',
      '=',
      '<>',
      '<',
      '>=',
      '+',
      '-',
      '--',
      '/*',
      '*/',
      "'",
      "''",
      "'x'",
      '0',
      '1',
      '1.',
      '.5',
      '1e5',
      'L',
    ],
    ...[
      '1e400',
      '0.0',
      '99999999999999999999',
      ' ',
      '\n',
      '\t',
      '!',
      '"',
      '|',
      '\u0000',
      'ſ',
      '\ud800',
      '😀',
      '__proto__',
    ],
  );
  const fuzzed = fc.oneof(
    { weight: 5, arbitrary: fc.array(words, { maxLength: 30 }).map((parts) => parts.join(' ')) },
    { weight: 2, arbitrary: fc.array(words, { maxLength: 30 }).map((parts) => parts.join('')) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  );

  test('throws nothing but FilterErrors, whatever the text', { timeout: 60_000 }, () => {
    let acceptedCount = 0;
    const properties = new Map([
      ['a', '1.5'],
      ['$b', 'x'],
    ]);
    const property = fc.property(fuzzed, fc.boolean(), (text, tag) => {
      if (refusal(tag ? 'TAG' : 'SQL92', text) !== undefined) return;
      acceptedCount += 1;
      createFilter(tag ? 'TAG' : 'SQL92', text).matches(properties);
    });
    fc.assert(property, { numRuns: 50_000 });
    expect(acceptedCount).toBeGreaterThan(1_000);
  });

  test.each([
    ...[
      '(',
      ')',
      '-',
      '+',
      'NOT ',
      '0',
      '1',
      '.',
      "'",
      "''",
      '/*',
      '/**/',
      '--',
      '--\n',
      ' ',
      'a',
      'a=',
      'a OR ',
      '|',
      '||',
      'a||',
    ],
    ...["a IN ('',", 'a BETWEEN -(', '-(-(a BETWEEN 1 AND 2) BETWEEN 1 AND ', '1e', '*', 'a IS NULL ', '(a=', 'é'],
  ])('is done with %j over and over in no time', { timeout: 60_000 }, (part) => {
    const text = part.repeat(filterExpressionLengthMax / part.length);
    const properties = new Map([['a', '1']]);
    const startMs = performance.now();
    for (const expressionType of ['TAG', 'SQL92']) {
      if (refusal(expressionType, text) === undefined) createFilter(expressionType, text).matches(properties);
    }
    // 5 ms on an idle machine; reading or evaluating that branches at each repetition would never end.
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
