import { describe, expect, test } from 'vitest';
import { FilterError } from '../../../src/broker/filters/filter-error.ts';
import { readToken, type Token } from '../../../src/broker/filters/sql-lexer.ts';

function tokens(sql: string): readonly Token[] {
  const found: Token[] = [];
  for (let token = readToken(sql, 0); token.kind !== 'end'; token = readToken(sql, token.end)) found.push(token);
  return found;
}

function words(sql: string): readonly string[] {
  return tokens(sql).map(({ kind, value }) => `${kind} ${value}`);
}

describe('readToken', () => {
  test.each([
    ['NOT not Between', ['keyword NOT', 'keyword NOT', 'keyword BETWEEN']],
    ['notes $a _1 a$B9', ['name notes', 'name $a', 'name _1', 'name a$B9']],
    ["'' 'it''s' '''' 'a\n\"--/*'", ['text ', "text it's", "text '", 'text a\n"--/*']],
    ["'a''b''''c'", ["text a'b''c"]],
    ['0 10 7l 8L', ['whole 0', 'whole 10', 'whole 7', 'whole 8']],
    ['0L 1x', ['whole 0', 'name L', 'whole 1', 'name x']],
    [
      '1. .5 0.5e-3 007.5 1E5 00e1',
      ['decimal 1.', 'decimal .5', 'decimal 0.5e-3', 'decimal 007.5', 'decimal 1E5', 'decimal 00e1'],
    ],
    ['1e 2.e+', ['whole 1', 'name e', 'decimal 2.', 'name e', 'symbol +']],
    ['1.2.3', ['decimal 1.2', 'decimal .3']],
    ['<><=>=<>(),+-=', ['<>', '<=', '>=', '<>', '(', ')', ',', '+', '-', '='].map((symbol) => `symbol ${symbol}`)],
    ['> =', ['symbol >', 'symbol =']],
    ['a-- - / * \nb--\r\nc -- d', ['name a', 'name b', 'name c']],
    ['a/**/b/***/c/* * / */d/*/*/e', ['name a', 'name b', 'name c', 'name d', 'name e']],
    [' \t\n\r\f', []],
    ['', []],
  ])('reads %j', (sql, expected) => {
    expect(words(sql)).toEqual(expected);
  });

  test('says where each token stands', () => {
    expect(tokens(" a/* */<='''' ")).toEqual([
      { kind: 'name', value: 'a', start: 1, end: 2 },
      { kind: 'symbol', value: '<=', start: 7, end: 9 },
      { kind: 'text', value: "'", start: 9, end: 13 },
    ]);
    expect(readToken('a ', 1)).toEqual({ kind: 'end', value: '', start: 2, end: 2 });
  });

  test.each([
    ['a != 1', 3, '"!" means nothing here; write <> for unequal, and NOT'],
    ['a = "x"', 5, `"\\"" means nothing here; write texts in single quotes, '…'`],
    ['a & b', 3, '"&" means nothing here; write AND'],
    ['a || b', 3, '"|" means nothing here; write OR'],
    ['a = 5;', 6, '";" means nothing here'],
    ['a = .', 5, '"." means nothing here'],
    ['a\u000b', 2, '"\\u000b" means nothing here'],
    ['\u00a0a', 1, '"\u00a0" means nothing here'],
    ['😀', 1, '"😀" means nothing here'],
    ['\ud800', 1, '"\\ud800" means nothing here'],
    ["a = 'it''", 5, "this text has no end; write ' after it"],
    ['a /*/ ', 3, 'this comment has no end; write */ after it'],
    // Java reads a zero here and drops the rest of the expression without a word.
    ['a = 007', 5, 'a whole number has no zeros before it; leave them out'],
  ])('refuses %j at character %i', (sql, character, problem) => {
    expect(() => tokens(sql)).toThrow(new FilterError(problem, character));
  });
});
