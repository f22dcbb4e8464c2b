import { describe, expect, test } from 'vitest';
import { ClientError } from '../../src/client/errors.ts';
import {
  parseTagFilter,
  sqlConditionLengthMax,
  sqlFilter,
  tagExpressionLengthMax,
} from '../../src/client/message-filter.ts';

describe('parseTagFilter', () => {
  test.each(['', '  ', '*', ' * '])('%j means all messages', (expression) => {
    const filter = parseTagFilter(expression);
    expect(filter.expression).toBe('*');
    expect(filter.matches(undefined)).toBe(true);
    expect(filter.matches('any')).toBe(true);
  });

  test.each([
    ['a', 'a'],
    [' a ', 'a'],
    ['a||b', 'a || b'],
    ['b || a || b', 'b || a'],
    ['my tag || 订单', 'my tag || 订单'],
  ])('%j is sent as %j', (expression, sent) => {
    expect(parseTagFilter(expression).expression).toBe(sent);
  });

  test('matches whole tags only, although brokers let equal hashes through', () => {
    const filter = parseTagFilter('Aa || x');
    expect(filter.matches('Aa')).toBe(true);
    expect(filter.matches('x')).toBe(true);
    expect(filter.matches('BB')).toBe(false);
    expect(filter.matches('aa')).toBe(false);
    expect(filter.matches('Aa || x')).toBe(false);
    expect(filter.matches('')).toBe(false);
    expect(filter.matches(undefined)).toBe(false);
  });

  test.each([
    ['||', 'has a || without a tag beside it'],
    ['a ||', 'has a || without a tag beside it'],
    ['|| a', 'has a || without a tag beside it'],
    ['a || || b', 'has a || without a tag beside it'],
    ['* || a', 'has * beside other tags'],
    ['a | b', 'has a single |'],
    ['a ||| b', 'has a single |'],
    ['a\u0002DELAY', 'has a control character'],
  ])('refuses %j', (expression, reason) => {
    expect(() => parseTagFilter(expression)).toThrow(ClientError);
    expect(() => parseTagFilter(expression)).toThrow(reason);
  });

  test('expressions are allowed up to the limit', () => {
    expect(parseTagFilter('t'.repeat(tagExpressionLengthMax)).expression).toHaveLength(tagExpressionLengthMax);
    expect(() => parseTagFilter('t'.repeat(tagExpressionLengthMax + 1))).toThrow(ClientError);
  });
});

describe('sqlFilter', () => {
  test('keeps the condition, which only brokers judge', () => {
    const filter = sqlFilter(" a > 1 AND TAGS = 'x' ");
    expect(filter).toMatchObject({ type: 'SQL92', expression: "a > 1 AND TAGS = 'x'" });
    expect(filter.matches(undefined)).toBe(true);
  });

  test('refuses none, and one that is too long', () => {
    expect(sqlFilter('a'.repeat(sqlConditionLengthMax)).expression).toHaveLength(sqlConditionLengthMax);
    expect(() => sqlFilter(' ')).toThrow('empty');
    expect(() => sqlFilter('a'.repeat(sqlConditionLengthMax + 1))).toThrow(`at most ${sqlConditionLengthMax}`);
  });
});
