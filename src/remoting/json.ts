import { RemotingError } from './errors.ts';

/** A value read from a body of RocketMQ. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json | undefined;
}

const depthMax = 64;
const scalarPattern = /null|true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const spacePattern = /\s*/y;

/**
 * Reads JSON as RocketMQ writes it. Its fastjson leaves integer keys without quotes (`{0:"10.0.0.1:10911"}`) and puts whole
 * objects where keys belong (`{{"queueId":0}:3}`); such a key is read as the text that stands there.
 * @throws RemotingError `malformed` when the text is neither.
 */
export function readJson(body: Buffer): Json {
  const text = body.toString();
  try {
    return JSON.parse(text) as Json;
  } catch {
    return new TolerantReader(text).read();
  }
}

/** As `readJson`, for a body that must be an object. */
export function readJsonObject(body: Buffer, what: string): JsonObject {
  const value = readJson(body);
  if (isJsonObject(value)) return value;
  throw new RemotingError('malformed', `${what} is not a JSON object`);
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

class TolerantReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Json {
    const value = this.#value();
    this.#match(spacePattern);
    if (this.#at !== this.#text.length) throw this.#malformed();
    return value;
  }

  #value(): Json {
    this.#match(spacePattern);
    switch (this.#text[this.#at]) {
      case '{':
        return this.#nested(() => this.#object());
      case '[':
        return this.#nested(() => this.#array());
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > depthMax) throw this.#malformed();
    this.#at += 1;
    const value = read();
    this.#depth -= 1;
    return value;
  }

  #object(): JsonObject {
    const value: Record<string, Json> = Object.create(null);
    if (this.#skip('}')) return value;
    do {
      const key = this.#key();
      if (!this.#skip(':')) throw this.#malformed();
      value[key] = this.#value();
    } while (this.#skip(','));
    if (!this.#skip('}')) throw this.#malformed();
    return value;
  }

  /** Keys are cut out, not written anew: keys within keys would double in length at each level. */
  #key(): string {
    this.#match(spacePattern);
    const start = this.#at;
    const key = this.#value();
    return typeof key === 'string' ? key : this.#text.slice(start, this.#at);
  }

  #array(): Json[] {
    const values: Json[] = [];
    if (this.#skip(']')) return values;
    do values.push(this.#value());
    while (this.#skip(','));
    if (!this.#skip(']')) throw this.#malformed();
    return values;
  }

  #string(): string {
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1;
    try {
      const text = JSON.parse(this.#text.slice(this.#at, end + 1)) as string;
      this.#at = end + 1;
      return text;
    } catch {
      throw this.#malformed();
    }
  }

  #scalar(): Json {
    const text = this.#match(scalarPattern);
    if (text === undefined) throw this.#malformed();
    return JSON.parse(text) as Json;
  }

  #skip(character: string): boolean {
    this.#match(spacePattern);
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match[0];
  }

  #malformed(): RemotingError {
    return new RemotingError('malformed', `a body is not JSON at character ${this.#at}`);
  }
}
