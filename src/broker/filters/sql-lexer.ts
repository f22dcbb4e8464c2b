import { FilterError } from './filter-error.ts';

const keywords: ReadonlySet<string> = new Set([
  ...['NOT', 'AND', 'OR', 'BETWEEN', 'IN', 'TRUE', 'FALSE', 'NULL', 'IS'],
  ...['CONTAINS', 'STARTSWITH', 'ENDSWITH'],
]);

/** One word of an expression, without the white space and comments before it. */
export interface Token {
  readonly kind: 'keyword' | 'name' | 'text' | 'whole' | 'decimal' | 'symbol' | 'end';
  /** Keywords in capitals, texts without their quotes, everything else as written. */
  readonly value: string;
  /** Where it begins and ends: indexes in UTF-16 units, the end not included. */
  readonly start: number;
  readonly end: number;
}

// Each is tried where the last token ended ("y") and looks at a character only once or twice, so that no text is slow to read.
const namePattern = /[A-Za-z_$][A-Za-z0-9_$]*/y;
const symbolPattern = /<>|<=|>=|[<>=(),+-]/y;
const digitsPattern = /[0-9]*/y;
const exponentPattern = /[eE][+-]?[0-9]+/y;
const spacePattern = /[ \t\n\r\f]+/y;
const lineCommentPattern = /--[^\n\r]*/y;

/**
 * The token that begins at or after `from`. Java `SelectorParser.jj` but for two things: `--` is a comment also when no line end
 * follows it, and a number with zeros before it is an error, where Java reads 007 as 0 and drops the rest of the expression.
 * @throws FilterError for what begins no token, and for a text or comment without end.
 */
export function readToken(sql: string, from: number): Token {
  const start = afterSpace(sql, from);
  if (start >= sql.length) return { kind: 'end', value: '', start, end: start };
  if (sql[start] === "'") return readText(sql, start);
  const number = readNumber(sql, start);
  if (number !== undefined) return number;
  const name = matched(namePattern, sql, start);
  if (name !== '') return nameOrKeyword(name, start);
  const symbol = matched(symbolPattern, sql, start);
  if (symbol !== '') return { kind: 'symbol', value: symbol, start, end: start + symbol.length };
  throw new FilterError(strangeCharacter(sql, start), start + 1);
}

/** What a sticky pattern matches at an index; empty where it does not. */
function matched(pattern: RegExp, sql: string, index: number): string {
  pattern.lastIndex = index;
  return pattern.exec(sql)?.[0] ?? '';
}

function afterSpace(sql: string, from: number): number {
  let index = from;
  for (;;) {
    const before = index;
    index += matched(spacePattern, sql, index).length;
    index += matched(lineCommentPattern, sql, index).length;
    if (sql.startsWith('/*', index)) {
      const end = sql.indexOf('*/', index + 2);
      if (end === -1) throw new FilterError('this comment has no end; write */ after it', index + 1);
      index = end + 2;
    }
    if (index === before) return index;
  }
}

function readText(sql: string, start: number): Token {
  let end = start;
  do {
    end = sql.indexOf("'", end + 1) + 1;
    if (end === 0) throw new FilterError("this text has no end; write ' after it", start + 1);
  } while (sql[end] === "'");
  return { kind: 'text', value: sql.slice(start + 1, end - 1).replaceAll("''", "'"), start, end };
}

function readNumber(sql: string, start: number): Token | undefined {
  const digits = matched(digitsPattern, sql, start);
  let end = start + digits.length;
  if (sql[end] === '.') {
    const fraction = matched(digitsPattern, sql, end + 1);
    if (digits === '' && fraction === '') return undefined;
    end += 1 + fraction.length;
  } else if (digits === '') return undefined;
  const point = end > start + digits.length;
  const exponent = matched(exponentPattern, sql, end);
  end += exponent.length;
  if (point || exponent !== '') return { kind: 'decimal', value: sql.slice(start, end), start, end };
  if (digits.length > 1 && digits.startsWith('0')) {
    throw new FilterError('a whole number has no zeros before it; leave them out', start + 1);
  }
  // A last L, which changes nothing: Java takes the long where the number is too great for an int.
  const suffixed = digits !== '0' && (sql[end] === 'l' || sql[end] === 'L');
  return { kind: 'whole', value: digits, start, end: suffixed ? end + 1 : end };
}

function nameOrKeyword(name: string, start: number): Token {
  const end = start + name.length;
  const capitals = name.toUpperCase();
  if (keywords.has(capitals)) return { kind: 'keyword', value: capitals, start, end };
  return { kind: 'name', value: name, start, end };
}

function strangeCharacter(sql: string, index: number): string {
  const character = String.fromCodePoint(sql.codePointAt(index) ?? 0);
  const advice: Readonly<Record<string, string>> = {
    '!': '; write <> for unequal, and NOT',
    '"': "; write texts in single quotes, '…'",
    '&': '; write AND',
    '|': '; write OR',
  };
  return `${JSON.stringify(character)} means nothing here${advice[character] ?? ''}`;
}
