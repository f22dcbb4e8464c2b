import { javaStringHash } from '../../remoting/java-hash.ts';
import { FilterError } from './filter-error.ts';
import { trimmed } from './java-text.ts';

/** Most tags in one expression, so that no subscription is dear to keep. */
export const tagCountMax = 1_024;

/**
 * The hashes of the tags in `a || b`; undefined for `*` and for nothing, which mean all messages. Read as Java's `FilterAPI` reads it:
 * empty places between `||` are passed over, and a `*` beside tags is a tag of that name.
 * @throws FilterError where no tag is left, or too many are.
 */
export function parseTagsCodes(expression: string): ReadonlySet<number> | undefined {
  if (expression === '' || expression === '*') return undefined;
  const tags = expression
    .split('||')
    .map(trimmed)
    .filter((tag) => tag !== '');
  if (tags.length === 0)
    throw new FilterError('the tag expression names no tag; write tagA || tagB, or * for all messages');
  if (tags.length > tagCountMax) {
    throw new FilterError(`the tag expression has ${tags.length} tags; at most ${tagCountMax} are allowed`);
  }
  return new Set(tags.map(javaStringHash));
}
