import { describe, expect, test } from 'vitest';
import { FilterError } from '../../../src/broker/filters/filter-error.ts';
import { compileSql } from '../../../src/broker/filters/sql-evaluate.ts';
import {
  parseSql,
  sqlInValueCountMax,
  sqlNestingMax,
  sqlOperatorCountMax,
} from '../../../src/broker/filters/sql-parser.ts';

const a = { kind: 'property', name: 'a' };
const one = { kind: 'literal', value: { kind: 'integer', value: 1 } };
const condition = { kind: 'condition', operand: a };

describe('parseSql', () => {
  test.each([
    ['a', condition],
    ['TRUE', { kind: 'literal', value: true }],
    ['a OR a AND a', { kind: 'or', operands: [condition, { kind: 'and', operands: [condition, condition] }] }],
    ['(a OR a) AND a', { kind: 'and', operands: [{ kind: 'or', operands: [condition, condition] }, condition] }],
    ['a OR a OR a', { kind: 'or', operands: [condition, condition, condition] }],
    [
      'a = 1 = TRUE',
      { kind: 'equal', left: { kind: 'equal', left: a, right: one }, right: { kind: 'literal', value: true } },
    ],
    ['a <> 1', { kind: 'not', operand: { kind: 'equal', left: a, right: one } }],
    // A quirk of the grammar: whoever writes this wants NOT (a = 1).
    ['NOT a = 1', { kind: 'equal', left: { kind: 'not', operand: condition }, right: one }],
    [
      'a > 1 = TRUE',
      {
        kind: 'equal',
        left: { kind: 'order', operator: '>', left: a, right: one },
        right: { kind: 'literal', value: true },
      },
    ],
    [
      '-a >= +-1',
      { kind: 'order', operator: '>=', left: { kind: 'negate', operand: a }, right: { kind: 'negate', operand: one } },
    ],
    ['a IS NULL', { kind: 'isNull', operand: a }],
    ['a IS NOT NULL', { kind: 'not', operand: { kind: 'isNull', operand: a } }],
    [
      'a not between 1 and 1 and a',
      { kind: 'and', operands: [{ kind: 'between', not: true, operand: a, low: one, high: one }, condition] },
    ],
    ["(a) IN ('x','y','x')", { kind: 'in', not: false, operand: a, values: new Set(['x', 'y']) }],
    ["a NOT IN ('x')", { kind: 'in', not: true, operand: a, values: new Set(['x']) }],
    ["1 NOT STARTSWITH 'x'", { kind: 'text', test: 'STARTSWITH', not: true, operand: one, search: 'x' }],
    ["a ENDSWITH ''", { kind: 'text', test: 'ENDSWITH', not: false, operand: a, search: '' }],
  ])('reads %s', (sql, expected) => {
    expect(parseSql(sql)).toEqual(expected);
  });

  test.each([
    ['2147483647', { kind: 'integer', value: 2_147_483_647 }],
    ['2147483648', { kind: 'long', value: 2_147_483_648n }],
    ['5L', { kind: 'integer', value: 5 }],
    ['9223372036854775807', { kind: 'long', value: 9_223_372_036_854_775_807n }],
    ['1e3', { kind: 'double', value: 1000 }],
    ['1.', { kind: 'double', value: 1 }],
    ['4.9e-324', { kind: 'double', value: 5e-324 }],
  ])('holds %s as Java does', (sql, value) => {
    expect(parseSql(`a = ${sql}`)).toEqual({ kind: 'equal', left: a, right: { kind: 'literal', value } });
  });

  test.each([
    ['', 1, 'the end stands where a property or a value is wanted'],
    ['a = ', 5, 'the end stands where a property or a value is wanted'],
    ['(a = 1', 7, 'the end stands where ) is wanted'],
    ['a IS 1', 6, '"1" stands where NULL or NOT NULL is wanted'],
    ['a IS NOT TRUE', 10, '"TRUE" stands where NULL is wanted'],
    ['a NOT = 1', 7, '"=" stands where BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH is wanted'],
    ['a IN 1', 6, '"1" stands where ( is wanted'],
    ['a IN ()', 7, `")" stands where a text in single quotes, '…' is wanted`],
    ['a IN (1)', 7, `"1" stands where a text in single quotes, '…' is wanted`],
    ["a IN ('x' 'y')", 11, `"'y'" stands where , or ) is wanted`],
    ["1 IN ('x')", 1, 'only a property can stand before IN'],
    ['a CONTAINS b', 12, `"b" stands where a text in single quotes, '…' is wanted`],
    ['a BETWEEN 1 OR 2', 13, '"OR" stands where AND is wanted'],
    ['a BETWEEN 2 AND 1', 11, 'the first bound of BETWEEN is greater than the second; exchange them'],
    ["a BETWEEN 'a' AND 2", 11, 'only properties and numbers can stand beside BETWEEN'],
    ["a > 'x'", 5, 'only properties and numbers can stand beside >'],
    ['NOT a <= 1', 1, 'only properties and numbers can stand beside <='],
    ['a = (NULL)', 5, 'nothing is equal to NULL; write IS NULL or IS NOT NULL'],
    ['TRUE = 1', 1, 'TRUE and FALSE are never equal to a number or a text'],
    ['1', 1, 'a condition is wanted here, not a value; compare it with something'],
    ["a = 1 OR 'x'", 10, 'a condition is wanted here, not a value; compare it with something'],
    ['NOT -a', 5, 'a condition is wanted here, not a value; compare it with something'],
    ['a = 9223372036854775808', 5, 'a whole number is 9223372036854775807 at most'],
  ])('refuses %j at character %i', (sql, character, problem) => {
    expect(() => parseSql(sql)).toThrow(new FilterError(problem, character));
  });

  test.each(['0.0', '.0e5', '1e400', '1e-400'])('refuses %s, which is out of the range of doubles for Java', (sql) => {
    expect(() => parseSql(`a > ${sql}`)).toThrow(
      'at character 5 of the expression: a number with a point or exponent is from',
    );
  });

  // Java stops at the end of the first whole condition, and so delivers by half a filter.
  test.each([
    ['a = 1 b', 7, 'b'],
    ['a = 1)', 6, ')'],
    ["a LIKE 'x%'", 3, 'LIKE'],
    ['a > 1 + 1', 7, '+'],
    ['a = 0x10', 6, 'x10'],
    [`a = 1 ${'x'.repeat(50)}`, 7, 'x'.repeat(40)],
  ])('refuses what is left over: %s', (sql, character, found) => {
    const problem = `${JSON.stringify(found)} stands where AND, OR or the end is wanted`;
    expect(() => parseSql(sql)).toThrow(new FilterError(problem, character));
  });
});

describe('the limits', () => {
  test.each([
    ['parentheses', (count: number) => `${'('.repeat(count)}a${')'.repeat(count)}`],
    ['NOTs', (count: number) => `${'NOT '.repeat(count)}a`],
    ['signs', (count: number) => `1 = ${'- '.repeat(count)}1`],
    ['pluses', (count: number) => `1 = ${'+'.repeat(count)}1`],
  ])('hold for %s in one another', (_name, sql) => {
    expect(compileSql(parseSql(sql(sqlNestingMax)))(new Map())).not.toBeUndefined();
    expect(() => parseSql(sql(sqlNestingMax + 1))).toThrow(`more than ${sqlNestingMax} parentheses, NOTs and signs`);
    expect(() => parseSql(sql(100_000))).toThrow(`more than ${sqlNestingMax} parentheses, NOTs and signs`);
  });

  test('do not count what stands side by side', () => {
    expect(() =>
      parseSql(
        Array(sqlNestingMax * 2)
          .fill('(NOT (a))')
          .join(' OR '),
      ),
    ).not.toThrow();
  });

  test.each([
    ['AND', (count: number) => `a${' AND a'.repeat(count)}`, null],
    ['OR', (count: number) => `a${' OR a'.repeat(count)}`, null],
    ['=', (count: number) => `a${' = a'.repeat(count)}`, false],
    ['IS NULL', (count: number) => `a${' IS NULL'.repeat(count)}`, false],
    ['CONTAINS', (count: number) => `a${" CONTAINS 'x'".repeat(count)}`, false],
  ])('hold for operators such as %s, and what is allowed can be evaluated', (_name, sql, value) => {
    const most = compileSql(parseSql(sql(sqlOperatorCountMax)));
    expect(most(new Map())).toBe(value);
    expect(() => parseSql(sql(sqlOperatorCountMax + 1))).toThrow(`more than ${sqlOperatorCountMax} comparisons`);
  });

  test('hold for the texts of an IN list', () => {
    const list = (count: number) => `a IN (${Array(count).fill("'x'").join(',')})`;
    expect(() => parseSql(list(sqlInValueCountMax))).not.toThrow();
    const character = list(sqlInValueCountMax).length + 1;
    expect(() => parseSql(list(sqlInValueCountMax + 1))).toThrow(
      new FilterError(`an IN list may hold ${sqlInValueCountMax} texts at most`, character),
    );
  });
});
