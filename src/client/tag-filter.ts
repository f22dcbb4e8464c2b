import { ClientError } from './errors.ts';

/** Which messages of a topic a consumer wants, by their tag. */
export interface TagFilter {
  /** What to send to brokers: `*`, or the tags joined by ` || `. */
  readonly expression: string;
  /** Brokers compare hashes only, so the client compares again. */
  matches(tag: string | undefined): boolean;
}

/** Most characters of a tag expression: it travels in every poll. */
export const tagExpressionLengthMax = 4_096;

const all: TagFilter = { expression: '*', matches: () => true };

/**
 * Reads `a || b`; `*` or nothing means all messages, also those without a tag.
 * @throws ClientError `invalid`, saying what to write instead.
 */
export function parseTagFilter(expression: string): TagFilter {
  if (expression.length > tagExpressionLengthMax) {
    throw new ClientError(
      'invalid',
      `the tag expression has ${expression.length} characters; at most ${tagExpressionLengthMax} are allowed`,
    );
  }
  const trimmed = expression.trim();
  if (trimmed === '' || trimmed === '*') return all;
  const tags = new Set(trimmed.split('||').map((tag) => checkedTag(tag.trim(), expression)));
  return {
    expression: [...tags].join(' || '),
    matches: (tag) => tag !== undefined && tags.has(tag),
  };
}

function checkedTag(tag: string, expression: string): string {
  const problem = problemOf(tag);
  if (problem === undefined) return tag;
  throw new ClientError('invalid', `the tag expression ${JSON.stringify(expression)} ${problem}`);
}

function problemOf(tag: string): string | undefined {
  if (tag === '') return 'has a || without a tag beside it; write tagA || tagB';
  if (tag === '*') return 'has * beside other tags; write * alone for all messages';
  if (tag.includes('|')) return 'has a single |; write || between tags';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no tag can hold them, since 0x01 and 0x02 end properties.
  if (/[\u0000-\u001f]/.test(tag)) return 'has a control character in a tag; take it out';
  return undefined;
}
