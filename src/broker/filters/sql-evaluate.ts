import { compareNumbers, type JavaNumber, negated, parseDouble, parseJavaNumber } from './java-text.ts';
import type { OrderOperator, SqlExpression, TextTest } from './sql-expression.ts';

/** Java throws here, for instance where `abc` is compared with a number, and the message is not delivered whatever else is asked. */
export const failed: unique symbol = Symbol('failed');

/** NULL is what an absent property has, and what a condition is that depends on one. */
export type SqlValue = string | boolean | JavaNumber | null | typeof failed;

/** A compiled expression. Never throws; a message matches only where the value is true. */
export type Evaluate = (properties: ReadonlyMap<string, string>) => SqlValue;

/** Properties are texts, so numbers are literals, and a fixed tree of closures is all that a message costs. */
export function compileSql(expression: SqlExpression): Evaluate {
  switch (expression.kind) {
    case 'literal':
      return () => expression.value;
    case 'property':
      return (properties) => properties.get(expression.name) ?? null;
    case 'negate':
      return compileNegate(compileSql(expression.operand), expression.operand);
    case 'not':
      return compileNot(compileSql(expression.operand));
    case 'condition':
      // No property is a boolean, not even one that says true: Java `createBooleanCast`.
      return compileCondition(compileSql(expression.operand));
    case 'and':
      return compileJoined(expression.operands.map(compileSql), false);
    case 'or':
      return compileJoined(expression.operands.map(compileSql), true);
    case 'equal':
      return compileEqual(compileSql(expression.left), compileSql(expression.right));
    case 'isNull':
      return compileIsNull(compileSql(expression.operand));
    case 'order':
      return compileOrder(expression.operator, compileSql(expression.left), compileSql(expression.right));
    case 'between':
      return compileBetween(expression);
    case 'in':
      return compileIn(compileSql(expression.operand), expression.values, expression.not);
    case 'text':
      return compileText(expression);
  }
}

/** Anything but a number is NULL when negated. */
function compileNegate(evaluate: Evaluate, operand: SqlExpression): Evaluate {
  if (operand.kind === 'literal') {
    const value = negatedValue(operand.value);
    return () => value;
  }
  return (properties) => negatedValue(evaluate(properties));
}

function negatedValue(value: SqlValue): SqlValue {
  if (value === failed) return failed;
  return typeof value === 'object' && value !== null ? negated(value) : null;
}

function compileNot(evaluate: Evaluate): Evaluate {
  return (properties) => {
    const value = evaluate(properties);
    return typeof value === 'boolean' ? !value : value;
  };
}

function compileCondition(evaluate: Evaluate): Evaluate {
  return (properties) => (evaluate(properties) === null ? null : false);
}

/** AND (decided by false) and OR (by true), from left to right: what comes after the decision cannot fail any more. */
function compileJoined(operands: readonly Evaluate[], decisive: boolean): Evaluate {
  return (properties) => {
    let unknown = false;
    for (const evaluate of operands) {
      const value = evaluate(properties);
      if (value === decisive || value === failed) return value;
      if (value === null) unknown = true;
    }
    return unknown ? null : !decisive;
  };
}

/** Not symmetric, as in Java: NULL = 1 is NULL, 1 = NULL is false, and two absent properties are equal. */
function compileEqual(left: Evaluate, right: Evaluate): Evaluate {
  return (properties) => {
    const first = left(properties);
    const second = right(properties);
    if (first === failed || second === failed) return failed;
    if (first === null) return second === null ? true : null;
    if (second === null) return false;
    return equal(first, second);
  };
}

type Present = string | boolean | JavaNumber;

function equal(first: Present, second: Present): boolean | typeof failed {
  if (typeof first === 'string') {
    if (typeof second === 'string') return first === second;
    if (typeof second === 'boolean') return (first.length === 4 && first.toLowerCase() === 'true') === second;
    return equalToText(second, first);
  }
  // Java casts the boolean to a text here, which it is not.
  if (typeof first === 'boolean') return typeof second === 'string' ? failed : first === second;
  if (typeof second === 'string') return equalToText(first, second);
  return typeof second === 'object' && compareNumbers(first, second) === 0;
}

function equalToText(number: JavaNumber, text: string): boolean | typeof failed {
  const other = parseJavaNumber(text, number.kind);
  return other === undefined ? failed : compareNumbers(number, other) === 0;
}

function compileIsNull(evaluate: Evaluate): Evaluate {
  return (properties) => {
    const value = evaluate(properties);
    return value === failed ? failed : value === null;
  };
}

function compileOrder(operator: OrderOperator, left: Evaluate, right: Evaluate): Evaluate {
  return (properties) => {
    const first = left(properties);
    if (first === null || first === failed) return first;
    return ordered(operator, first, right(properties));
  };
}

function ordered(operator: OrderOperator, first: Present, second: SqlValue): boolean | null | typeof failed {
  if (second === null || second === failed) return second;
  const order = compareOrdered(first, second);
  if (order === undefined) return failed;
  if (operator === '>') return order > 0;
  if (operator === '>=') return order >= 0;
  return operator === '<' ? order < 0 : order <= 0;
}

/** Two texts are compared as doubles, a text and a number as the number's kind; undefined where the text does not say one. */
function compareOrdered(first: Present, second: Present): number | undefined {
  const left = typeof first === 'string' ? numberOf(first, second) : first;
  const right = typeof second === 'string' ? numberOf(second, first) : second;
  // The parser lets no condition stand here.
  if (typeof left !== 'object' || typeof right !== 'object') return undefined;
  return compareNumbers(left, right);
}

function numberOf(text: string, beside: Present): JavaNumber | undefined {
  return typeof beside === 'object' ? parseJavaNumber(text, beside.kind) : parseDouble(text);
}

/** The operand is evaluated once, since Java's twice would cost 2 to the power of the nesting. The value is the same. */
function compileBetween(expression: SqlExpression & { readonly kind: 'between' }): Evaluate {
  const decisive = expression.not;
  const operand = compileSql(expression.operand);
  const low = compileSql(expression.low);
  const high = compileSql(expression.high);
  return (properties) => {
    const value = operand(properties);
    if (value === null || value === failed) return value;
    const first = ordered(decisive ? '<' : '>=', value, low(properties));
    if (first === decisive || first === failed) return first;
    const second = ordered(decisive ? '>' : '<=', value, high(properties));
    if (second === decisive || second === failed) return second;
    return first === null || second === null ? null : !decisive;
  };
}

function compileIn(evaluate: Evaluate, values: ReadonlySet<string>, not: boolean): Evaluate {
  return (properties) => {
    const value = evaluate(properties);
    return typeof value === 'string' ? values.has(value) !== not : null;
  };
}

/** Never NULL: what is absent, no text, or searched for nothing is false, with NOT as well. */
function compileText(expression: SqlExpression & { readonly kind: 'text' }): Evaluate {
  const { search, not, test } = expression;
  // Java does not even look at the operand then, which so cannot fail.
  if (search === '') return () => false;
  const operand = compileSql(expression.operand);
  return (properties) => {
    const value = operand(properties);
    if (value === failed) return failed;
    if (typeof value !== 'string') return false;
    return passes(test, value, search) !== not;
  };
}

function passes(test: TextTest, value: string, search: string): boolean {
  if (test === 'CONTAINS') return value.includes(search);
  return test === 'STARTSWITH' ? value.startsWith(search) : value.endsWith(search);
}
