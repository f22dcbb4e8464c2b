import { FilterError } from './filter-error.ts';
import { compareNumbers } from './java-text.ts';
import type { SqlExpression } from './sql-expression.ts';

/** An operand, and where it begins: an index in UTF-16 units. */
export interface PlacedExpression {
  readonly expression: SqlExpression;
  readonly start: number;
}

// The same conditions as in Java's create… functions of ComparisonExpression and UnaryExpression: a minus sign hides a literal from them.

/** Whether the expression is true, false or NULL by its form: Java `BooleanExpression`. */
function isCondition(expression: SqlExpression): boolean {
  if (expression.kind === 'literal') return expression.value === null || typeof expression.value === 'boolean';
  return expression.kind !== 'property' && expression.kind !== 'negate';
}

/** @returns the operand as a condition. @throws FilterError where it is a number or a text. */
export function asCondition({ expression, start }: PlacedExpression): SqlExpression {
  if (isCondition(expression)) return expression;
  if (expression.kind === 'property') return { kind: 'condition', operand: expression };
  throw new FilterError('a condition is wanted here, not a value; compare it with something', start + 1);
}

/** @throws FilterError for what has no order: texts, TRUE, FALSE, NULL and conditions. */
export function checkOrdered({ expression, start }: PlacedExpression, operator: string): void {
  const number = expression.kind === 'literal' && typeof expression.value === 'object' && expression.value !== null;
  if (number || expression.kind === 'property' || expression.kind === 'negate') return;
  throw new FilterError(`only properties and numbers can stand beside ${operator}`, start + 1);
}

/** @throws FilterError for NULL beside `=`, and for TRUE or FALSE before a literal of another kind. */
export function checkEqual(left: PlacedExpression, right: PlacedExpression): void {
  for (const { expression, start } of [left, right]) {
    if (expression.kind !== 'literal' || expression.value !== null) continue;
    throw new FilterError('nothing is equal to NULL; write IS NULL or IS NOT NULL', start + 1);
  }
  if (left.expression.kind !== 'literal' || right.expression.kind !== 'literal') return;
  if (typeof left.expression.value !== 'boolean' || typeof right.expression.value === 'boolean') return;
  throw new FilterError('TRUE and FALSE are never equal to a number or a text', left.start + 1);
}

/** @throws FilterError where the literal after BETWEEN is greater than the one after AND; Java lets NOT BETWEEN pass. */
export function checkBounds(low: PlacedExpression, high: PlacedExpression): void {
  if (low.expression.kind !== 'literal' || high.expression.kind !== 'literal') return;
  const least = low.expression.value;
  const greatest = high.expression.value;
  if (least === null || greatest === null || typeof least !== 'object' || typeof greatest !== 'object') return;
  if (compareNumbers(greatest, least) >= 0) return;
  throw new FilterError('the first bound of BETWEEN is greater than the second; exchange them', low.start + 1);
}
