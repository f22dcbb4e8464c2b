import { RemotingError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../json.ts';

/** The field `attributes` of a body; empty where it is left out. @throws RemotingError `malformed`. */
export function readAttributes({ attributes }: JsonObject): Readonly<Record<string, string>> {
  if (attributes === undefined || attributes === null) return {};
  if (!isJsonObject(attributes)) throw malformed();
  const pairs = Object.entries(attributes).map(([key, value]): [string, string] => {
    if (typeof value !== 'string') throw malformed();
    return [key, value];
  });
  return Object.fromEntries(pairs);
}

/**
 * Changes of attributes in the header of a request: `+message.type=FIFO,-other` (Java `AttributeParser`). The values that are to go are
 * empty; so are those of pairs without a value, which no attribute takes.
 */
export function parseAttributes(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** What `parseAttributes` reads. */
export function writeAttributes(attributes: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(attributes);
  return pairs.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join(',');
}

function malformed(): RemotingError {
  return new RemotingError('malformed', 'the field attributes of a body makes no sense');
}
