import { FilterError } from './filter-error.ts';
import { compileSql } from './sql-evaluate.ts';
import { parseSql } from './sql-parser.ts';
import { parseTagsCodes } from './tag-filter.ts';

export { FilterError } from './filter-error.ts';

/** Which messages of a topic a subscription wants, as far as a broker looks. */
export interface MessageFilter {
  /** By the queue index alone; false = surely not wanted. @param tagsCode Java hash of the whole TAGS text, 0 without one. */
  matchesTagsCode(tagsCode: number): boolean;
  /** By the message's properties; undefined properties are absent. Only called when matchesTagsCode said true. Never throws. */
  matches(properties: ReadonlyMap<string, string>): boolean;
  /** True when `matches` has to be asked (SQL92), false where the tags code decides as far as a broker does. */
  readonly needsProperties: boolean;
}

/** Most UTF-16 units of an expression. Java has no bound but its stack; client libraries refuse far shorter tag expressions. */
export const filterExpressionLengthMax = 16_384;

const all: MessageFilter = { matchesTagsCode: () => true, matches: () => true, needsProperties: false };

/**
 * @param expressionType `TAG`, also when absent or empty, or `SQL92`: Java `ExpressionType`.
 * @param expression `tagA || tagB` (`*` or nothing = all), or an SQL92 condition, which cannot be empty.
 * @throws FilterError for what no message could be judged by.
 */
export function createFilter(expressionType: string | undefined, expression: string | undefined): MessageFilter {
  const text = expression ?? '';
  if (text.length > filterExpressionLengthMax) {
    throw new FilterError(
      `the filter expression has ${text.length} characters; at most ${filterExpressionLengthMax} are allowed`,
    );
  }
  if (expressionType === undefined || expressionType === '' || expressionType === 'TAG') return createTagFilter(text);
  if (expressionType === 'SQL92') return createSqlFilter(text);
  const shown = JSON.stringify(expressionType.slice(0, 40));
  throw new FilterError(`the filter expression type ${shown} is not known; use TAG or SQL92`);
}

function createTagFilter(text: string): MessageFilter {
  const codes = parseTagsCodes(text);
  if (codes === undefined) return all;
  // Two tags may have one hash: consumers compare the tags again, so a broker need not.
  return { matchesTagsCode: (tagsCode) => codes.has(tagsCode), matches: () => true, needsProperties: false };
}

function createSqlFilter(text: string): MessageFilter {
  const evaluate = compileSql(parseSql(text));
  return {
    matchesTagsCode: () => true,
    matches: (properties) => evaluate(properties) === true,
    needsProperties: true,
  };
}
