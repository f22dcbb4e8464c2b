import { describe, expect, test } from 'vitest';
import { FilterCache } from '../../../src/broker/filters/filter-cache.ts';
import { FilterError } from '../../../src/broker/filters/message-filter.ts';

describe('filters that are kept', () => {
  test('are made once for each subscription', () => {
    const cache = new FilterCache();
    const filter = cache.get('SQL92', 'a = 1');
    expect(cache.get('SQL92', 'a = 1')).toBe(filter);
    expect(cache.get('SQL92', 'a = 2')).not.toBe(filter);
    expect(cache.get('TAG', 'a')).not.toBe(cache.get('TAG', 'b'));
    expect(cache.get(undefined, undefined).matchesTagsCode(7)).toBe(true);
  });

  test('are at most 1,024: the oldest goes', () => {
    const cache = new FilterCache();
    const first = cache.get('TAG', 'first');
    for (let number = 1; number < 1_024; number += 1) cache.get('TAG', `tag-${number}`);
    expect(cache.get('TAG', 'first')).toBe(first);
    cache.get('TAG', 'one more');
    expect(cache.get('TAG', 'first')).not.toBe(first);
  });

  test('are none where the expression is wrong', () => {
    expect(() => new FilterCache().get('SQL92', 'a >')).toThrow(FilterError);
  });
});
