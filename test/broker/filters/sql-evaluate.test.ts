import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileSql, failed, type SqlValue } from '../../../src/broker/filters/sql-evaluate.ts';
import { parseSql } from '../../../src/broker/filters/sql-parser.ts';

function evaluate(sql: string, properties: Readonly<Record<string, string>> = {}): SqlValue {
  return compileSql(parseSql(sql))(new Map(Object.entries(properties)));
}

describe('three-valued logic', () => {
  const words: Readonly<Record<string, SqlValue>> = { TRUE: true, FALSE: false, NULL: null, "'x' = 1": failed };

  test.each([
    // Left operand, right operand, AND, OR.
    ['TRUE', 'TRUE', true, true],
    ['TRUE', 'FALSE', false, true],
    ['TRUE', 'NULL', null, true],
    ['FALSE', 'TRUE', false, true],
    ['FALSE', 'FALSE', false, false],
    ['FALSE', 'NULL', false, null],
    ['NULL', 'TRUE', null, true],
    ['NULL', 'FALSE', false, null],
    ['NULL', 'NULL', null, null],
    // What fails spoils all, unless the operand before it has decided.
    ['TRUE', "'x' = 1", failed, true],
    ['FALSE', "'x' = 1", false, failed],
    ['NULL', "'x' = 1", failed, failed],
    ["'x' = 1", 'TRUE', failed, failed],
    ["'x' = 1", 'FALSE', failed, failed],
  ])('of %s with %s', (left, right, and, or) => {
    expect(evaluate(`${left} AND ${right}`)).toBe(and);
    expect(evaluate(`${left} OR ${right}`)).toBe(or);
  });

  test.each(Object.entries(words))('of %s alone', (word, value) => {
    expect(evaluate(word)).toBe(value);
    expect(evaluate(`NOT (${word})`)).toBe(typeof value === 'boolean' ? !value : value);
    expect(evaluate(`(${word}) IS NULL`)).toBe(value === failed ? failed : value === null);
    expect(evaluate(`-(${word}) IS NULL`), 'no number, so nothing to negate').toBe(value === failed ? failed : true);
  });
});

test('a property is never a condition that holds', () => {
  expect(evaluate('a', { a: 'true' })).toBe(false);
  expect(evaluate('NOT a', { a: 'true' })).toBe(true);
  expect(evaluate('a')).toBeNull();
});

test.each<[string, SqlValue]>([
  ['(b > 1) = TRUE', true],
  ['(b > 1) <> 5', true],
  ['5 = TRUE', false],
  ['a = TRUE', true],
  ['b = FALSE', true],
  // Java casts the condition on the left to a text, and throws; NOT must not make a match of that.
  ['TRUE = a', failed],
  ['NOT (TRUE = a)', failed],
  ["(b > 1) = 'true'", failed],
])('%s compares a truth value as Java does', (sql, value) => {
  expect(evaluate(sql, { a: 'True', b: '2' })).toBe(value);
});

test('properties have the names that they have, in capitals or not', () => {
  expect(evaluate("a = 'x'", { A: 'x' })).toBeNull();
  expect(evaluate("toString = 'x' OR __proto__ IS NOT NULL")).toBeNull();
});

test('BETWEEN in BETWEEN costs no more than it is long', () => {
  const nested = (levelCount: number): string =>
    levelCount === 0 ? 'a' : `-(${nested(levelCount - 1)} BETWEEN b AND c)`;
  // Java evaluates the innermost operand 2 ** 61 times.
  expect(evaluate(`${nested(60)} BETWEEN b AND c`, { a: '1', b: '1', c: '2' })).toBeNull();
});

type Operand =
  | { readonly kind: 'property'; readonly name: string }
  | { readonly kind: 'whole'; readonly value: bigint }
  | { readonly kind: 'decimal'; readonly value: number }
  | { readonly kind: 'minus'; readonly of: Operand };

type Condition =
  | { readonly kind: 'and' | 'or' | 'same' | 'differs'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'not' | 'isNull' | 'isNotNull'; readonly of: Condition }
  | { readonly kind: 'constant'; readonly value: boolean | null }
  | { readonly kind: 'order'; readonly operator: string; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'equal'; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'is'; readonly name: string; readonly text: string }
  | {
      readonly kind: 'between';
      readonly not: boolean;
      readonly of: Operand;
      readonly low: Operand;
      readonly high: Operand;
    }
  | { readonly kind: 'in'; readonly not: boolean; readonly name: string; readonly texts: readonly string[] }
  | {
      readonly kind: 'search';
      readonly word: string;
      readonly not: boolean;
      readonly name: string;
      readonly text: string;
    };

/** Where Java throws. The reference throws as well, so that it shares no way of thinking with what it judges. */
class Failure extends Error {}

type Plain = bigint | number | string | null;

function plainOf(operand: Operand, properties: ReadonlyMap<string, string>): Plain {
  if (operand.kind === 'property') return properties.get(operand.name) ?? null;
  if (operand.kind !== 'minus') return operand.value;
  const value = plainOf(operand.of, properties);
  return value === null || typeof value === 'string' ? null : -value;
}

/** Only texts that the generator makes: no spaces, no letters but e. */
function asNumber(text: string, like: Plain): bigint | number {
  if (like === null || typeof like !== 'bigint') {
    if (!/^-?\d+(\.\d+)?(e\d+)?$/.test(text)) throw new Failure();
    return Number(text);
  }
  if (!/^-?\d+$/.test(text)) throw new Failure();
  const value = BigInt(text);
  // By the digits before the minus sign: -2147483648 is a long.
  const bits = like > -(2n ** 31n) && like < 2n ** 31n ? 32 : 64;
  if (BigInt.asIntN(bits, value) !== value) throw new Failure();
  return value;
}

function difference(left: Plain, right: Plain): number {
  if (left === null || right === null) throw new Error('nothing to compare');
  let first = typeof left === 'string' ? asNumber(left, right) : left;
  let second = typeof right === 'string' ? asNumber(right, left) : right;
  if (typeof first !== typeof second) [first, second] = [Number(first), Number(second)];
  return Number(first > second) - Number(first < second);
}

const orders: Readonly<Record<string, (order: number) => boolean>> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

function orderHolds(operator: string, left: Plain, right: Plain): boolean | null {
  return left === null || right === null ? null : (orders[operator]?.(difference(left, right)) ?? null);
}

function equalHolds(left: Plain, right: Plain): boolean | null {
  if (left === null) return right === null ? true : null;
  if (right === null) return false;
  if (typeof left === 'string' && typeof right === 'string') return left === right;
  return difference(left, right) === 0;
}

function both(left: () => boolean | null, right: () => boolean | null): boolean | null {
  const first = left();
  if (first === false) return false;
  const second = right();
  if (second === false) return false;
  return first === null || second === null ? null : true;
}

function opposite(value: boolean | null): boolean | null {
  return value === null ? null : !value;
}

function holds(condition: Condition, properties: ReadonlyMap<string, string>): boolean | null {
  const plain = (operand: Operand): Plain => plainOf(operand, properties);
  switch (condition.kind) {
    case 'constant':
      return condition.value;
    case 'not':
      return opposite(holds(condition.of, properties));
    case 'isNull':
      return holds(condition.of, properties) === null;
    case 'isNotNull':
      return holds(condition.of, properties) !== null;
    case 'and':
      return both(
        () => holds(condition.left, properties),
        () => holds(condition.right, properties),
      );
    case 'or':
      return opposite(
        both(
          () => opposite(holds(condition.left, properties)),
          () => opposite(holds(condition.right, properties)),
        ),
      );
    case 'same':
    case 'differs': {
      const left = holds(condition.left, properties);
      const right = holds(condition.right, properties);
      const same = left === null && right !== null ? null : left === right;
      return condition.kind === 'same' ? same : opposite(same);
    }
    case 'order':
      return orderHolds(condition.operator, plain(condition.left), plain(condition.right));
    case 'equal':
      return equalHolds(plain(condition.left), plain(condition.right));
    case 'is':
      return equalHolds(properties.get(condition.name) ?? null, condition.text);
    case 'between': {
      const inside = (least: string, most: string, fix: typeof opposite) =>
        both(
          () => fix(orderHolds(least, plain(condition.of), plain(condition.low))),
          () => fix(orderHolds(most, plain(condition.of), plain(condition.high))),
        );
      return condition.not ? opposite(inside('<', '>', opposite)) : inside('>=', '<=', (value) => value);
    }
    case 'in': {
      const value = properties.get(condition.name);
      return value === undefined ? null : condition.texts.some((text) => text === value) !== condition.not;
    }
    case 'search':
      return searchHolds(condition, properties.get(condition.name));
  }
}

function searchHolds({ text, word, not }: Condition & { readonly kind: 'search' }, value: string | undefined): boolean {
  if (value === undefined || text === '') return false;
  const places = [...Array(value.length).keys()].filter((index) => value.slice(index, index + text.length) === text);
  const wanted = places.filter((index) => {
    if (word === 'STARTSWITH') return index === 0;
    return word === 'CONTAINS' || index + text.length === value.length;
  });
  return wanted.length > 0 !== not;
}

type Space = () => string;

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function printOperand(operand: Operand, space: Space): string {
  if (operand.kind === 'property') return operand.name;
  if (operand.kind === 'whole') return `${operand.value}`;
  if (operand.kind === 'decimal') return operand.value.toExponential();
  return `-${space()}(${printOperand(operand.of, space)})`;
}

/** @param space What stands between two words: white space, comments. */
function print(condition: Condition, space: Space): string {
  const joined = (...words: readonly string[]): string => words.filter((word) => word !== '').join(space());
  const inner = (of: Condition): string => joined('(', print(of, space), ')');
  const operand = (of: Operand): string => printOperand(of, space);
  switch (condition.kind) {
    case 'constant':
      // NULL itself may not stand beside an equals sign.
      return condition.value === null ? joined('NOT', 'NULL') : String(condition.value);
    case 'not':
      return joined('Not', inner(condition.of));
    case 'isNull':
      return joined(inner(condition.of), 'is', 'null');
    case 'isNotNull':
      return joined(inner(condition.of), 'IS', 'NOT', 'NULL');
    case 'and':
    case 'or':
      return joined(inner(condition.left), condition.kind, inner(condition.right));
    case 'same':
    case 'differs':
      return joined(inner(condition.left), condition.kind === 'same' ? '=' : '<>', inner(condition.right));
    case 'order':
      return joined(operand(condition.left), condition.operator, operand(condition.right));
    case 'equal':
      return joined(operand(condition.left), '=', operand(condition.right));
    case 'is':
      return joined(condition.name, '=', quoted(condition.text));
    case 'between':
      return joined(
        ...[operand(condition.of), condition.not ? 'NOT' : '', 'between', operand(condition.low)],
        ...['and', operand(condition.high)],
      );
    case 'in':
      return joined(condition.name, condition.not ? 'not' : '', 'IN', `(${condition.texts.map(quoted).join(',')})`);
    case 'search':
      return joined(condition.name, condition.not ? 'not' : '', condition.word, quoted(condition.text));
  }
}

const names = fc.constantFrom('a', 'b', '$c', 'D_9');
const texts = fc.oneof(
  fc.constantFrom('x', 'xx', 'yx', '', "'", "it's", '--', '5', '-5'),
  fc.string({ unit: fc.constantFrom(...'xé\'"-(😀'), maxLength: 3 }),
);
const wholes = fc.oneof(
  fc.bigInt(0n, 6n),
  fc.constantFrom(2n ** 31n - 1n, 2n ** 31n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n),
);
const decimals = fc.constantFrom(0.5, 1, 5, 5.5, 2 ** 31, 2 ** 53, 1e300);
const values = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(wholes, fc.boolean()).map(([value, minus]) => `${minus && value > 0n ? '-' : ''}${value}`),
  },
  { weight: 2, arbitrary: fc.constantFrom('0.5', '5.5', '-5.0', '1e3', '9223372036854775808') },
  { weight: 2, arbitrary: texts },
);
const properties = fc.dictionary(names, values).map((dictionary) => new Map(Object.entries(dictionary)));

const { condition } = fc.letrec<{ operand: Operand; condition: Condition; leaf: Condition }>((tie) => ({
  operand: fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('property'), name: names }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('whole'), value: wholes }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('decimal'), value: decimals }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('minus'), of: tie('operand') }) },
  ),
  leaf: fc.oneof(
    fc.record({ kind: fc.constant('constant'), value: fc.constantFrom(true, false, null) }),
    fc.record({
      kind: fc.constant('order'),
      operator: fc.constantFrom('<', '<=', '>', '>='),
      left: tie('operand'),
      right: tie('operand'),
    }),
    fc.record({ kind: fc.constant('equal'), left: tie('operand'), right: tie('operand') }),
    fc.record({ kind: fc.constant('is'), name: names, text: values }),
    // Literal bounds in the wrong order are refused: one of them is a property here.
    fc.record({
      kind: fc.constant('between'),
      not: fc.boolean(),
      of: tie('operand'),
      low: tie('operand'),
      high: fc.record({ kind: fc.constant('property'), name: names }),
    }),
    fc.record({
      kind: fc.constant('in'),
      not: fc.boolean(),
      name: names,
      texts: fc.array(values, { minLength: 1, maxLength: 8 }),
    }),
    fc.record({
      kind: fc.constant('search'),
      not: fc.boolean(),
      word: fc.constantFrom('CONTAINS', 'STARTSWITH', 'ENDSWITH'),
      name: names,
      text: texts,
    }),
  ),
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.record({
      kind: fc.constantFrom('and', 'or', 'same', 'differs'),
      left: tie('condition'),
      right: tie('condition'),
    }),
    fc.record({ kind: fc.constantFrom('not', 'isNull', 'isNotNull'), of: tie('condition') }),
  ),
}));

describe('any condition', () => {
  const spaces = fc.infiniteStream(fc.constantFrom(' ', ' ', ' ', '\n', '\t ', ' /* ) */ ', ' -- (\r\n'));

  test('printed and read again evaluates as it was meant', { timeout: 60_000 }, () => {
    const seen = new Map<SqlValue, number>();
    const property = fc.property(condition, properties, spaces, (meant, given, stream) => {
      const sql = print(meant, () => stream.next().value);
      const value = compileSql(parseSql(sql))(given);
      seen.set(value, (seen.get(value) ?? 0) + 1);
      expect(value, sql).toBe(expectedValue(meant, given));
    });
    fc.assert(property, { numRuns: 5_000 });
    const kinds: readonly SqlValue[] = [true, false, null, failed];
    for (const value of kinds) expect(seen.get(value)).toBeGreaterThan(100);
  });
});

function expectedValue(meant: Condition, given: ReadonlyMap<string, string>): SqlValue {
  try {
    return holds(meant, given);
  } catch (error) {
    if (error instanceof Failure) return failed;
    throw error;
  }
}
