/** What can be written. A `Map` is one of Java's maps whose keys are no texts: numbers, or whole objects. */
export type WritableJson = null | boolean | number | string | readonly WritableJson[] | WritableObject | WritableMap;
export interface WritableObject {
  readonly [name: string]: WritableJson | undefined;
}
export type WritableMap = ReadonlyMap<number | WritableObject, WritableJson>;

/**
 * Writes JSON as RocketMQ's fastjson does, for readers that expect its two habits: integer keys without quotes
 * (`{0:"10.0.0.1:10911"}`) and objects where keys belong (`{{"queueId":0}:3}`). Without a `Map` in it this is standard JSON.
 * `readJson` reads it again.
 */
export function encodeJson(value: WritableJson): Buffer {
  return Buffer.from(write(value));
}

function write(value: WritableJson): string {
  if (value instanceof Map) return writeMap(value);
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  return typeof value === 'object' && value !== null ? writeObject(value as WritableObject) : JSON.stringify(value);
}

function writeMap(map: WritableMap): string {
  return `{${Array.from(map, ([key, value]) => `${write(key)}:${write(value)}`).join(',')}}`;
}

function writeObject(object: WritableObject): string {
  const fields = Object.entries(object).flatMap(([name, value]) =>
    value === undefined ? [] : [`${JSON.stringify(name)}:${write(value)}`],
  );
  return `{${fields.join(',')}}`;
}
