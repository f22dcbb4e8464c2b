import { createHash } from 'node:crypto';
import { Code } from '@connectrpc/connect';
import { failure } from '../rpc/failures.ts';
import { type FileContents, SettingFileError } from '../watched-files.ts';
import { Caller, type Rights, type TargetRequest } from './caller.ts';

/** The setting that names the file. */
export const tokensSetting = 'PROXY_TOKENS_FILE';

/** Most tokens of one file. */
export const tokensMax = 10_000;
/** Most names of one list of a token. */
export const namesMax = 1_000;
/** Longest token that is looked at, in characters. */
export const tokenCharsMax = 1_024;

/** One entry of the file: who it is, and by which tokens. */
interface Entry {
  readonly name: string;
  /** SHA-256 of each token, as hex. */
  readonly hashes: readonly string[];
  readonly rights: Rights;
  /** The entry as it stands in the file: what tells whether it has changed. */
  readonly text: string;
}

interface Known {
  readonly caller: Caller;
  readonly text: string;
}

/**
 * Who may call, by bearer tokens. The file has only hashes of them: a token is random, so nobody finds it by its hash. Looking hashes up in
 * a map tells nothing by its time that helps to guess a token, because nobody can choose what a token's hash begins with.
 */
export class Tokens {
  #byName: ReadonlyMap<string, Known> = new Map();
  #byHash: ReadonlyMap<string, Caller> = new Map();

  /** @throws SettingFileError */
  constructor(contents: FileContents) {
    this.replace(contents);
  }

  /**
   * Takes what stands in the file now. Callers whose entry is the same stay; all others end.
   * @throws SettingFileError, and changes nothing.
   */
  replace(contents: FileContents): void {
    const entries = parseTokens(contents[tokensSetting]?.toString() ?? '');
    const byName = new Map(entries.map((entry) => [entry.name, this.#knownOf(entry)]));
    for (const [name, { caller }] of this.#byName) if (byName.get(name)?.caller !== caller) caller.end();
    const byHash = new Map<string, Caller>();
    for (const { name, hashes } of entries) {
      const caller = byName.get(name)?.caller;
      for (const hash of hashes) if (caller !== undefined) byHash.set(hash, caller);
    }
    this.#byHash = byHash;
    this.#byName = byName;
  }

  /**
   * @param authorization the header of that name; null where there is none.
   * @throws ConnectError UNAUTHENTICATED, the same for no token and for one that is not known.
   */
  caller(authorization: string | null): Caller {
    const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
    const known = token.length > tokenCharsMax ? undefined : this.#byHash.get(hashOf(token));
    if (known !== undefined) return known;
    throw failure(
      Code.Unauthenticated,
      'TOKEN_REFUSED',
      'this proxy serves only who has a token: send it as "authorization: Bearer" and the token',
    );
  }

  #knownOf({ name, rights, text }: Entry): Known {
    const before = this.#byName.get(name);
    return before?.text === text ? before : { caller: new Caller(name, rights), text };
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

const listFields = ['publish', 'subscribe', 'groups'] as const;
const targetFields = {
  endpoint: 'endpoint',
  access_key_id: 'accessKeyId',
  access_key_secret: 'accessKeySecret',
  instance_id: 'instanceId',
} as const satisfies Record<string, keyof TargetRequest>;
const allFields: ReadonlySet<string> = new Set(['name', 'sha256', ...listFields, ...Object.keys(targetFields)]);

function parseTokens(text: string): Entry[] {
  const found = listOf(parseJson(text), 'tokens');
  if (found.length > tokensMax) throw refused(`it has ${found.length} tokens: at most ${tokensMax} are allowed`);
  const entries = found.map((item, index) => parseEntry(item, `token ${index + 1}`));
  checkUnique(
    entries.map(({ name }) => name),
    'two tokens have the name',
  );
  checkUnique(
    entries.flatMap(({ hashes }) => hashes),
    'two tokens have the sha256',
  );
  return entries;
}

function parseJson(text: string): object {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // What the parser says repeats what stands in the file.
  }
  throw refused('it is not JSON of the form {"tokens": [{"name": …, "sha256": …, "publish": […]}]}');
}

function parseEntry(item: unknown, where: string): Entry {
  if (typeof item !== 'object' || item === null) throw refused(`${where} is not an object`);
  const fields = new Map<string, unknown>(Object.entries(item));
  const name = String(fields.get('name') ?? '');
  if (!/^[\w.-]{1,64}$/.test(name)) throw refused(`${where} needs a name of letters, digits, dots, _ and -`);
  const unknown = [...fields.keys()].find((field) => !allFields.has(field));
  if (unknown !== undefined)
    throw refused(`token ${name} has ${JSON.stringify(unknown.slice(0, 40))}, which is no field`);
  const given = fields.get('sha256');
  const hashes = (Array.isArray(given) ? given : [given]).map((hash) => String(hash).toLowerCase());
  if (hashes.length === 0 || !hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash)))
    throw refused(`token ${name} needs its sha256 as 64 hex digits: printf %s "$TOKEN" | sha256sum`);
  const [publish = [], subscribe = [], groups = []] = listFields.map((field) => namesOf(item, field, name));
  return {
    name,
    hashes,
    rights: { publish, subscribe, groups, target: targetOf(fields, name) },
    text: JSON.stringify(item),
  };
}

function namesOf(item: object, field: string, name: string): string[] {
  const names = field in item ? listOf(item, field) : [];
  if (names.length > namesMax) throw refused(`${field} of token ${name} has more than ${namesMax} names`);
  return names.map((text) => {
    if (typeof text === 'string' && /^[^*]*\*?$/.test(text) && text !== '') return text;
    throw refused(`${field} of token ${name} must have names, or beginnings of names with a * behind them`);
  });
}

function targetOf(fields: ReadonlyMap<string, unknown>, name: string): TargetRequest | undefined {
  const given = Object.entries(targetFields).map(([field, own]) => {
    const value = fields.get(field) ?? '';
    if (typeof value !== 'string') throw refused(`${field} of token ${name} is not a text`);
    return [own, value] as const;
  });
  const target: TargetRequest = { ...emptyTarget, ...Object.fromEntries(given) };
  if (target.endpoint !== '') return target;
  // Keys are shown, by what they sign, to whatever endpoint a caller names.
  if (given.some(([, value]) => value !== '')) throw refused(`token ${name} has access keys and needs their endpoint`);
  return undefined;
}

const emptyTarget: TargetRequest = { endpoint: '', accessKeyId: '', accessKeySecret: '', instanceId: '' };

function listOf(holder: object, field: string): readonly unknown[] {
  const list: unknown = new Map<string, unknown>(Object.entries(holder)).get(field);
  if (Array.isArray(list)) return list;
  throw refused(`${JSON.stringify(field)} is not a list`);
}

function checkUnique(texts: readonly string[], what: string): void {
  const seen = new Set<string>();
  for (const text of texts) {
    if (seen.has(text)) throw refused(`${what} ${text}`);
    seen.add(text);
  }
}

function refused(why: string): SettingFileError {
  return new SettingFileError(`the file of ${tokensSetting} is not used: ${why}`);
}
