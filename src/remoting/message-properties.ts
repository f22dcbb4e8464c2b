import { RemotingError } from './errors.ts';

/** Most bytes that brokers store as properties of one message, their own included: the length is an int16. */
export const propertiesBytesMax = 32_767;

/** Ends a name (Java `MessageDecoder.NAME_VALUE_SEPARATOR`). */
const nameEnd = '\u0001';
/** Ends a value (Java `MessageDecoder.PROPERTY_SEPARATOR`). */
const valueEnd = '\u0002';

/** True for text with one of the two separators: the format has no escape, so it would make up properties of its own. */
export function hasPropertySeparator(text: string): boolean {
  return text.includes(nameEnd) || text.includes(valueEnd);
}

/**
 * The properties of one message as brokers store them. Empty values are left out, because brokers drop them.
 * @throws RemotingError `malformed` on an empty name, or a separator inside a name or value.
 */
export function encodeProperties(properties: Iterable<readonly [string, string]>): string {
  let text = '';
  for (const [name, value] of properties) {
    if (name === '') throw new RemotingError('malformed', 'a property has an empty name');
    if (hasPropertySeparator(name) || hasPropertySeparator(value)) {
      throw new RemotingError('malformed', `property ${JSON.stringify(name)} contains 0x01 or 0x02; take them out`);
    }
    if (value !== '') text += name + nameEnd + value + valueEnd;
  }
  return text;
}

/**
 * Reads properties as Java `MessageDecoder.string2messageProperties` does: pairs without a name or a value are dropped, the
 * first separator ends the name, the last of two equal names wins.
 */
export function decodeProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  let start = 0;
  while (start < text.length) {
    const found = text.indexOf(valueEnd, start);
    const end = found < 0 ? text.length : found;
    const pair = text.slice(start, end);
    const split = pair.indexOf(nameEnd);
    if (split > 0 && split < pair.length - 1) properties.set(pair.slice(0, split), pair.slice(split + 1));
    start = end + 1;
  }
  return properties;
}
