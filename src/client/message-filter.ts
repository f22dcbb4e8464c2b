import { MessageProperty } from '../remoting/message.ts';
import { ClientError } from './errors.ts';

/** Which messages of a topic a consumer wants. */
export interface MessageFilter {
  /** `TAG`: by their tag; `SQL92`: by a condition on their properties, which brokers have to support. */
  readonly type: 'TAG' | 'SQL92';
  /** What to send to brokers: `*`, the tags joined by ` || `, or the condition. */
  readonly expression: string;
  /** Whether `matches` looks at the tag. */
  readonly needsTag: boolean;
  /** Of tags brokers compare hashes only, so the client compares again; it does not judge conditions again. */
  matches(tag: string | undefined): boolean;
}

/** Most characters of a tag expression: it travels in every poll. */
export const tagExpressionLengthMax = 4_096;
/** The same of an SQL92 condition. */
export const sqlConditionLengthMax = 4_096;

const all: MessageFilter = { type: 'TAG', expression: '*', needsTag: false, matches: () => true };

/**
 * Reads `a || b`; `*` or nothing means all messages, also those without a tag.
 * @throws ClientError `invalid`, saying what to write instead.
 */
export function parseTagFilter(expression: string): MessageFilter {
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
    type: 'TAG',
    expression: [...tags].join(' || '),
    needsTag: true,
    matches: (tag) => tag !== undefined && tags.has(tag),
  };
}

/**
 * A condition in SQL92 as RocketMQ knows it, such as `price > 10 AND region = 'north'`. Only brokers can tell whether it makes sense.
 * @throws ClientError `invalid` when it is empty or too long.
 */
export function sqlFilter(condition: string): MessageFilter {
  const expression = condition.trim();
  if (expression === '') throw new ClientError('invalid', 'the SQL92 condition is empty; write one, or filter by *');
  if (expression.length > sqlConditionLengthMax) {
    throw new ClientError(
      'invalid',
      `the SQL92 condition has ${expression.length} characters; at most ${sqlConditionLengthMax} are allowed`,
    );
  }
  return { type: 'SQL92', expression, needsTag: false, matches: () => true };
}

/** Whether a filter lets a message through. Reads the message's properties only where it has to. */
export function isWanted(
  filter: MessageFilter,
  message: { readonly properties: ReadonlyMap<string, string> },
): boolean {
  return !filter.needsTag || filter.matches(message.properties.get(MessageProperty.TAGS));
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
