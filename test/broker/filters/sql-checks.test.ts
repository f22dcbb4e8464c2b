import { describe, expect, test } from 'vitest';
import { asCondition, checkBounds, checkEqual, checkOrdered } from '../../../src/broker/filters/sql-checks.ts';
import type { SqlExpression } from '../../../src/broker/filters/sql-expression.ts';

const a: SqlExpression = { kind: 'property', name: 'a' };
const five: SqlExpression = { kind: 'literal', value: { kind: 'integer', value: 5 } };
const half: SqlExpression = { kind: 'literal', value: { kind: 'double', value: 0.5 } };
const text: SqlExpression = { kind: 'literal', value: 'x' };
const yes: SqlExpression = { kind: 'literal', value: true };
const nothing: SqlExpression = { kind: 'literal', value: null };
const isNull: SqlExpression = { kind: 'isNull', operand: a };

function minus(operand: SqlExpression): SqlExpression {
  return { kind: 'negate', operand };
}

function at(expression: SqlExpression, start = 0): { expression: SqlExpression; start: number } {
  return { expression, start };
}

describe('asCondition', () => {
  test.each([yes, nothing, isNull])('leaves what is one: %j', (expression) => {
    expect(asCondition(at(expression))).toBe(expression);
  });

  test('makes one of a property', () => {
    expect(asCondition(at(a))).toEqual({ kind: 'condition', operand: a });
  });

  test.each([five, text, minus(a), minus(isNull)])('refuses %j', (expression) => {
    expect(() => asCondition(at(expression, 3))).toThrow('at character 4 of the expression: a condition is wanted');
  });
});

describe('checkOrdered', () => {
  test.each([a, five, half, minus(text), minus(nothing)])('lets %j pass', (expression) => {
    expect(() => checkOrdered(at(expression), '>')).not.toThrow();
  });

  test.each([text, yes, nothing, isNull])('refuses %j', (expression) => {
    expect(() => checkOrdered(at(expression, 3), '>=')).toThrow(
      'at character 4 of the expression: only properties and numbers can stand beside >=',
    );
  });
});

describe('checkEqual', () => {
  test.each([
    [a, yes],
    [yes, a],
    [yes, yes],
    [five, yes],
    [text, five],
    [isNull, text],
    [yes, minus(five)],
    [a, minus(nothing)],
  ])('lets %j = %j pass', (left, right) => {
    expect(() => checkEqual(at(left), at(right))).not.toThrow();
  });

  test('refuses NULL on both sides, and TRUE before another literal', () => {
    expect(() => checkEqual(at(nothing, 1), at(a, 5))).toThrow(
      'at character 2 of the expression: nothing is equal to NULL',
    );
    expect(() => checkEqual(at(a, 1), at(nothing, 5))).toThrow(
      'at character 6 of the expression: nothing is equal to NULL',
    );
    for (const right of [five, text]) {
      expect(() => checkEqual(at(yes, 1), at(right, 8))).toThrow(
        'at character 2 of the expression: TRUE and FALSE are',
      );
    }
  });
});

describe('checkBounds', () => {
  test('refuses literals in the wrong order, and nothing that it cannot know', () => {
    expect(() => checkBounds(at(half), at(five))).not.toThrow();
    expect(() => checkBounds(at(five), at(five))).not.toThrow();
    expect(() => checkBounds(at(minus(half)), at(minus(five)))).not.toThrow();
    expect(() => checkBounds(at(a), at(half))).not.toThrow();
    expect(() => checkBounds(at(five, 10), at(half))).toThrow(
      'at character 11 of the expression: the first bound of BETWEEN is greater than the second',
    );
  });
});
