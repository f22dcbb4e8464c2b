import { RemotingError } from './errors.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';

/**
 * A text that must be there.
 * @throws RemotingError `malformed`, naming the field.
 */
export function requiredText(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value === 'string' && value !== '') return value;
  throw malformed(name, 'is not a text with something in it');
}

/** A text; undefined where there is none. Null is none, as Java means it. @throws RemotingError `malformed`, naming the field. */
export function optionalText(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw malformed(name, 'is not a text');
}

/**
 * One of a few words in capitals, however they are written; the first where there is none.
 * @throws RemotingError `malformed`, naming the field.
 */
export function oneOf<const T extends string>(object: JsonObject, name: string, texts: readonly [T, ...T[]]): T {
  const value = optionalText(object, name);
  const found = value === undefined ? texts[0] : texts.find((text) => text === value.toUpperCase());
  if (found !== undefined) return found;
  throw malformed(name, `is none of ${texts.join(', ')}`);
}

/** An int32; `otherwise` where there is none. @throws RemotingError `malformed`, naming the field. */
export function integer(object: JsonObject, name: string, otherwise: number): number {
  const value = object[name] ?? otherwise;
  if (typeof value === 'number' && value === (value | 0)) return value;
  throw malformed(name, 'is not an int32');
}

/** A number of up to 53 bits; 0 where there is none. @throws RemotingError `malformed`, naming the field. */
export function safeInteger(object: JsonObject, name: string): number {
  const value = object[name] ?? 0;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw malformed(name, 'is not an integer');
}

/** A list of texts; empty where there is none. @throws RemotingError `malformed`, naming the field. */
export function listOfTexts(object: JsonObject, name: string): readonly string[] {
  const value = object[name] ?? [];
  if (isList(value) && value.every((item) => typeof item === 'string')) return value;
  throw malformed(name, 'is not a list of texts');
}

/**
 * A list of objects; empty where there is none.
 * @throws RemotingError `malformed`, naming the field, also when it has more than `countMax`.
 */
export function listOfObjects(object: JsonObject, name: string, countMax: number): readonly JsonObject[] {
  const value = object[name] ?? [];
  if (!isList(value)) throw malformed(name, 'is not a list');
  if (value.length > countMax) throw malformed(name, `has ${value.length} entries; at most ${countMax} are allowed`);
  return value.map((item) => {
    if (isJsonObject(item)) return item;
    throw malformed(name, 'has an entry that is not an object');
  });
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function malformed(name: string, problem: string): RemotingError {
  return new RemotingError('malformed', `the field ${name} of a body ${problem}`);
}
