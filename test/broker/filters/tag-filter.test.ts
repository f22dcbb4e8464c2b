import { describe, expect, test } from 'vitest';
import { FilterError } from '../../../src/broker/filters/filter-error.ts';
import { parseTagsCodes, tagCountMax } from '../../../src/broker/filters/tag-filter.ts';

// "a".hashCode() and so on, as Java's documentation of String defines it.
const codes: Readonly<Record<string, number>> = { a: 97, b: 98, '*': 42, Aa: 2112, BB: 2112, TagA: 2_598_919 };

describe('parseTagsCodes', () => {
  test.each(['', '*'])('%j means all messages', (expression) => {
    expect(parseTagsCodes(expression)).toBeUndefined();
  });

  test.each([
    ['a', ['a']],
    [' TagA\t', ['TagA']],
    ['a||b', ['a', 'b']],
    ['|| a || || b ||', ['a', 'b']],
    ['Aa || BB', ['Aa']],
    // Java's client library takes a star for all messages only where it stands alone, without spaces.
    [' * ', ['*']],
    ['* || a', ['*', 'a']],
  ])('%j has the hashes of its tags', (expression, tags) => {
    expect([...(parseTagsCodes(expression) ?? [])]).toEqual(tags.map((tag) => codes[tag]));
  });

  test('keeps a single | as part of a tag', () => {
    expect(parseTagsCodes('a|b')).toEqual(new Set([97 * 31 * 31 + 124 * 31 + 98]));
  });

  test.each(['||', ' ', ' || \t||'])('%j names no tag', (expression) => {
    expect(() => parseTagsCodes(expression)).toThrow(FilterError);
    expect(() => parseTagsCodes(expression)).toThrow('names no tag; write tagA || tagB, or *');
  });

  test('takes so many tags and no more', () => {
    const most = Array.from({ length: tagCountMax }, (_, index) => `t${index}`);
    expect(parseTagsCodes(most.join('||'))?.size).toBe(tagCountMax);
    expect(() => parseTagsCodes([...most, 'more'].join('||'))).toThrow(
      new FilterError(`the tag expression has ${tagCountMax + 1} tags; at most ${tagCountMax} are allowed`),
    );
  });
});
