import { isJsonObject, type Json } from '../remoting/json.ts';
import { invalid } from './refused.ts';

/** The values that each attribute may have. */
export type AttributeRules = Readonly<Record<string, readonly string[]>>;

/** What a topic's attributes may say. The rest of RocketMQ's would have no effect here, so they are refused. */
export const topicAttributes: AttributeRules = {
  'message.type': ['UNSPECIFIED', 'NORMAL', 'FIFO', 'DELAY', 'TRANSACTION', 'MIXED'],
};

/** Groups have no attribute with an effect. */
export const groupAttributes: AttributeRules = {};

/**
 * Attributes after changes: `+name` with the new value, `-name` for what is to go (Java `AttributeUtil`). To take away what is not there
 * changes nothing.
 * @throws RequestRefused INVALID_PARAMETER, naming the attribute.
 */
export function alterAttributes(
  current: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string>>,
  rules: AttributeRules,
): Readonly<Record<string, string>> {
  const altered = new Map(Object.entries(current));
  for (const [key, value] of Object.entries(changes)) {
    const name = key.slice(1);
    const values = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (values === undefined || !/^[+-]/.test(key)) {
      throw invalid(`the attribute ${shorten(key)} is not known: there are ${listOf(Object.keys(rules))}`);
    }
    if (key.startsWith('-')) altered.delete(name);
    else if (values.includes(value)) altered.set(name, value);
    else throw invalid(`${name} cannot be ${shorten(value)}, only ${values.join(', ')}`);
  }
  return Object.fromEntries(altered);
}

/** Attributes as they were stored. */
export function attributesOf(stored: Json | undefined): Readonly<Record<string, string>> {
  if (!isJsonObject(stored)) return {};
  const pairs = Object.entries(stored).filter((pair): pair is [string, string] => typeof pair[1] === 'string');
  return Object.fromEntries(pairs);
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `+${name}=… and -${name}`).join(', ');
}

function shorten(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
