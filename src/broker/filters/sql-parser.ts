import { FilterError } from './filter-error.ts';
import { type JavaNumber, parseDouble, parseLong } from './java-text.ts';
import { asCondition, checkBounds, checkEqual, checkOrdered, type PlacedExpression } from './sql-checks.ts';
import type { OrderOperator, SqlExpression, TextTest } from './sql-expression.ts';
import { readToken, type Token } from './sql-lexer.ts';

/** Most parentheses, NOTs and signs around one value. Reading needs stack for each. */
export const sqlNestingMax = 128;
/** Most comparisons, ANDs and ORs of one expression: what one message may cost. */
export const sqlOperatorCountMax = 1_024;
/** Most texts of one IN list. */
export const sqlInValueCountMax = 1_024;

/**
 * Reads an SQL92 condition by the grammar of Java `SelectorParser.jj`; NOT binds closer than a comparison there, so that
 * `NOT a = 1` means `(NOT a) = 1`. Unlike Java, which ignores whatever follows a whole condition, the text must end with it.
 * @throws FilterError with the place of the first fault.
 */
export function parseSql(sql: string): SqlExpression {
  return new SqlParser(sql).parse();
}

/** Recursive descent, one token ahead. */
class SqlParser {
  readonly #sql: string;
  #token: Token;
  #nesting = 0;
  #operatorCount = 0;

  constructor(sql: string) {
    this.#sql = sql;
    this.#token = readToken(sql, 0);
  }

  parse(): SqlExpression {
    const whole = this.#or();
    if (this.#token.kind !== 'end') throw this.#unexpected('AND, OR or the end');
    return asCondition(whole);
  }

  #or(): PlacedExpression {
    return this.#joined('or', 'OR', () => this.#joined('and', 'AND', () => this.#equality()));
  }

  /** Operands joined by one keyword, in one flat list: evaluating it needs no stack. */
  #joined(kind: 'and' | 'or', keyword: string, read: () => PlacedExpression): PlacedExpression {
    const first = read();
    if (!this.#isKeyword(keyword)) return first;
    const operands = [asCondition(first)];
    while (this.#acceptKeyword(keyword)) {
      this.#countOperator();
      operands.push(asCondition(read()));
    }
    return { start: first.start, expression: { kind, operands } };
  }

  #equality(): PlacedExpression {
    let left = this.#comparison();
    const { start } = left;
    for (;;) {
      if (this.#acceptSymbol('=')) left = { start, expression: this.#equal(left) };
      else if (this.#acceptSymbol('<>')) {
        left = { start, expression: { kind: 'not', operand: this.#equal(left) } };
      } else if (this.#acceptKeyword('IS')) left = { start, expression: this.#isNull(left.expression) };
      else return left;
      this.#countOperator();
    }
  }

  #equal(left: PlacedExpression): SqlExpression {
    const right = this.#comparison();
    checkEqual(left, right);
    return { kind: 'equal', left: left.expression, right: right.expression };
  }

  #isNull(operand: SqlExpression): SqlExpression {
    const not = this.#acceptKeyword('NOT');
    if (!this.#acceptKeyword('NULL')) throw this.#unexpected(not ? 'NULL' : 'NULL or NOT NULL');
    const isNull: SqlExpression = { kind: 'isNull', operand };
    return not ? { kind: 'not', operand: isNull } : isNull;
  }

  #comparison(): PlacedExpression {
    let left = this.#unary();
    for (;;) {
      const expression = this.#ordered(left) ?? this.#worded(left);
      if (expression === undefined) return left;
      left = { start: left.start, expression };
      this.#countOperator();
    }
  }

  #ordered(left: PlacedExpression): SqlExpression | undefined {
    const operator = this.#orderOperator();
    if (operator === undefined) return undefined;
    this.#advance();
    checkOrdered(left, operator);
    const right = this.#unary();
    checkOrdered(right, operator);
    return { kind: 'order', operator, left: left.expression, right: right.expression };
  }

  #orderOperator(): OrderOperator | undefined {
    if (this.#token.kind !== 'symbol') return undefined;
    const { value } = this.#token;
    return value === '>' || value === '>=' || value === '<' || value === '<=' ? value : undefined;
  }

  #worded(left: PlacedExpression): SqlExpression | undefined {
    const not = this.#acceptKeyword('NOT');
    if (this.#acceptKeyword('BETWEEN')) return this.#between(left, not);
    if (this.#acceptKeyword('IN')) return this.#in(left, not);
    const test = this.#textTest();
    if (test !== undefined) {
      this.#advance();
      return { kind: 'text', test, not, operand: left.expression, search: this.#text() };
    }
    if (not) throw this.#unexpected('BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH');
    return undefined;
  }

  #textTest(): TextTest | undefined {
    if (this.#token.kind !== 'keyword') return undefined;
    const { value } = this.#token;
    return value === 'CONTAINS' || value === 'STARTSWITH' || value === 'ENDSWITH' ? value : undefined;
  }

  #between(operand: PlacedExpression, not: boolean): SqlExpression {
    const low = this.#unary();
    if (!this.#acceptKeyword('AND')) throw this.#unexpected('AND');
    const high = this.#unary();
    for (const placed of [operand, low, high]) checkOrdered(placed, 'BETWEEN');
    if (!not) checkBounds(low, high);
    return { kind: 'between', not, operand: operand.expression, low: low.expression, high: high.expression };
  }

  #in(left: PlacedExpression, not: boolean): SqlExpression {
    if (left.expression.kind !== 'property')
      throw new FilterError('only a property can stand before IN', left.start + 1);
    if (!this.#acceptSymbol('(')) throw this.#unexpected('(');
    const values = [this.#text()];
    while (this.#acceptSymbol(',')) {
      if (values.length === sqlInValueCountMax) {
        throw new FilterError(`an IN list may hold ${sqlInValueCountMax} texts at most`, this.#token.start + 1);
      }
      values.push(this.#text());
    }
    if (!this.#acceptSymbol(')')) throw this.#unexpected(', or )');
    return { kind: 'in', not, operand: left.expression, values: new Set(values) };
  }

  #text(): string {
    const { kind, value } = this.#token;
    if (kind !== 'text') throw this.#unexpected("a text in single quotes, '…'");
    this.#advance();
    return value;
  }

  #unary(): PlacedExpression {
    const { start } = this.#token;
    // The innermost value itself comes through here once more than it is wrapped.
    if (this.#nesting > sqlNestingMax) {
      throw new FilterError(`more than ${sqlNestingMax} parentheses, NOTs and signs in one another`, start + 1);
    }
    this.#nesting += 1;
    const expression = this.#signed();
    this.#nesting -= 1;
    return { start, expression };
  }

  #signed(): SqlExpression {
    if (this.#acceptSymbol('+')) return this.#unary().expression;
    if (this.#acceptSymbol('-')) return { kind: 'negate', operand: this.#unary().expression };
    if (this.#acceptKeyword('NOT')) return { kind: 'not', operand: asCondition(this.#unary()) };
    if (!this.#acceptSymbol('(')) return this.#operand();
    const { expression } = this.#or();
    if (!this.#acceptSymbol(')')) throw this.#unexpected(')');
    return expression;
  }

  #operand(): SqlExpression {
    const token = this.#token;
    const value = literalOf(token);
    if (value === undefined && token.kind !== 'name') throw this.#unexpected('a property or a value');
    this.#advance();
    return value === undefined ? { kind: 'property', name: token.value } : { kind: 'literal', value };
  }

  #countOperator(): void {
    this.#operatorCount += 1;
    if (this.#operatorCount <= sqlOperatorCountMax) return;
    throw new FilterError(`more than ${sqlOperatorCountMax} comparisons, ANDs and ORs`, this.#token.start + 1);
  }

  #advance(): void {
    this.#token = readToken(this.#sql, this.#token.end);
  }

  #isKeyword(value: string): boolean {
    return this.#token.kind === 'keyword' && this.#token.value === value;
  }

  #acceptKeyword(value: string): boolean {
    const found = this.#isKeyword(value);
    if (found) this.#advance();
    return found;
  }

  #acceptSymbol(value: string): boolean {
    const found = this.#token.kind === 'symbol' && this.#token.value === value;
    if (found) this.#advance();
    return found;
  }

  #unexpected(wanted: string): FilterError {
    const { start, end } = this.#token;
    const found =
      this.#token.kind === 'end' ? 'the end' : JSON.stringify(this.#sql.slice(start, Math.min(end, start + 40)));
    return new FilterError(`${found} stands where ${wanted} is wanted`, start + 1);
  }
}

/** @returns undefined for what is no literal. @throws FilterError for numbers that Java cannot hold. */
function literalOf(token: Token): string | boolean | JavaNumber | null | undefined {
  if (token.kind === 'text') return token.value;
  if (token.kind === 'whole') return wholeOf(token);
  if (token.kind === 'decimal') return decimalOf(token);
  if (token.kind !== 'keyword') return undefined;
  if (token.value === 'NULL') return null;
  return token.value === 'TRUE' || token.value === 'FALSE' ? token.value === 'TRUE' : undefined;
}

/** An int where it fits, else a long: the kind decides which texts of properties can be compared with it. */
function wholeOf(token: Token): JavaNumber {
  const long = parseLong(token.value);
  if (long === undefined) throw new FilterError('a whole number is 9223372036854775807 at most', token.start + 1);
  const value = Number(long.value);
  return value <= 0x7fff_ffff ? { kind: 'integer', value } : long;
}

/** Java refuses a zero with a point, too. */
function decimalOf(token: Token): JavaNumber {
  const double = parseDouble(token.value);
  if (double !== undefined && double.value !== 0 && double.value !== Infinity) return double;
  const problem =
    'a number with a point or exponent is from 4.9e-324 to 1.8e308; RocketMQ takes no zero of that form, write 0';
  throw new FilterError(problem, token.start + 1);
}
