import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileContents } from '../watched-files.ts';
import { sealKeyBytes } from './seal.ts';

/** Where the keys come from, as the settings of the same names say. */
export interface SealKeySettings {
  readonly sealKey: string | undefined;
  readonly sealKeyFile: string | undefined;
  /** A folder, or `memory` for nothing on disk. */
  readonly dataDir: string;
  /** Set where there are other instances. */
  readonly peerHost?: string | undefined;
}

/** Keys for a `Sealer`. */
export interface SealKeys {
  /** At least one; the first seals. */
  readonly keys: readonly Uint8Array[];
  /** What the user must know: ids and handles will not outlive this process. Undefined when they will. */
  readonly warning: string | undefined;
}

/** The variable that names the file. */
export const sealKeyFileSetting = 'PROXY_SEAL_KEY_FILE';

/** The keys that stand in the file of `sealKeyFileSetting`, once it has changed. @throws SealKeyError */
export function readSealKeys(contents: FileContents): readonly Uint8Array[] {
  return parseKeys(String(contents[sealKeyFileSetting] ?? '').split('\n'), sealKeyFileSetting);
}

/** A seal key that cannot be used. Names the setting, never the key. */
export class SealKeyError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SealKeyError';
  }
}

/** Most keys that are held at a time: one in use and those that are being replaced. */
const keysMax = 16;

/** Random bytes that have fewer different values than this do not come about by chance (less than 1 in 10^20). */
const differentBytesMin = 12;

const madeKeyFile = 'seal.key';

/**
 * The keys that are set; or the one in the data directory, made when it is not there yet; or a random one.
 * @throws SealKeyError for a key that is malformed or weak, for a file that cannot be read, and where no key is set although there are
 * other instances.
 */
export function loadSealKeys(settings: SealKeySettings): SealKeys {
  const { sealKey, sealKeyFile, dataDir, peerHost } = settings;
  if (sealKey !== undefined && sealKeyFile !== undefined) {
    throw new SealKeyError('PROXY_SEAL_KEY and PROXY_SEAL_KEY_FILE are both set: set one of them');
  }
  if (sealKey !== undefined) return { keys: parseKeys(sealKey.split(','), 'PROXY_SEAL_KEY'), warning: undefined };
  if (sealKeyFile !== undefined) {
    return { keys: readKeys(sealKeyFile, `PROXY_SEAL_KEY_FILE (${sealKeyFile})`), warning: undefined };
  }
  if (peerHost !== undefined) {
    throw new SealKeyError(
      'PROXY_PEER_HOST is set, so there are other instances, which would not know ids and receipt handles that are sealed under a key ' +
        `made here: set PROXY_SEAL_KEY or PROXY_SEAL_KEY_FILE to the same for all of them; ${howToMake}`,
    );
  }
  if (dataDir === 'memory') return randomKey('PROXY_DATA_DIR is memory');
  const path = join(dataDir, madeKeyFile);
  if (!existsSync(path)) {
    try {
      makeKey(dataDir, path);
    } catch (error) {
      return randomKey(`${path} cannot be written (${errorCode(error)})`);
    }
  }
  return { keys: readKeys(path, `the key in PROXY_DATA_DIR (${path})`), warning: undefined };
}

function randomKey(why: string): SealKeys {
  const warning =
    `${why}, so ids and receipt handles are sealed under a random key: they end with this process and no other ` +
    'instance knows them. Set PROXY_SEAL_KEY or PROXY_SEAL_KEY_FILE, or a PROXY_DATA_DIR that can be written.';
  return { keys: [randomBytes(sealKeyBytes)], warning };
}

/**
 * Makes the key file. It appears whole or not at all, and only one of two processes that start at once makes it:
 * a link to an existing name fails.
 */
function makeKey(dataDir: string, path: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    writeFileSync(draft, `${randomBytes(sealKeyBytes).toString('hex')}\n`, { flag: 'wx', mode: 0o600, flush: true });
    linkSync(draft, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function readKeys(path: string, setting: string): readonly Uint8Array[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new SealKeyError(`${setting} cannot be read (${errorCode(error)})`, error);
  }
  return parseKeys(content.split('\n'), setting);
}

function parseKeys(texts: readonly string[], setting: string): readonly Uint8Array[] {
  const keys = texts.map((text) => text.trim()).filter((text) => text !== '');
  if (keys.length === 0) throw new SealKeyError(`${setting} holds no key: ${howToMake}`);
  if (keys.length > keysMax)
    throw new SealKeyError(`${setting} holds ${keys.length} keys: at most ${keysMax} are allowed`);
  return keys.map((text, index) => parseKey(text, keys.length === 1 ? setting : `key ${index + 1} of ${setting}`));
}

const howToMake = `a key is ${sealKeyBytes} random bytes as hex or base64, for example from: openssl rand -hex ${sealKeyBytes}`;

function parseKey(text: string, setting: string): Uint8Array {
  const isHex = /^[0-9a-f]{64}$/i.test(text);
  if (!isHex && !/^[\w+/-]{43}=?$/.test(text)) throw new SealKeyError(`${setting} is malformed: ${howToMake}`);
  // Node's base64 decoder takes the URL-safe alphabet too.
  const key = Buffer.from(text, isHex ? 'hex' : 'base64');
  if (new Set(key).size < differentBytesMin) throw new SealKeyError(`${setting} is weak: ${howToMake}`);
  return key;
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
