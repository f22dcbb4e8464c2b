import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSealKeys, SealKeyError, type SealKeySettings } from '../../../src/proxy/session/seal-keys.ts';
import { compileSource } from '../../support/compiled-source.ts';

const hex = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const bytes = Buffer.from(hex, 'hex');
const otherHex = [...hex].reverse().join('');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'seal-keys-'));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
});

function settings(given: Partial<SealKeySettings>): SealKeySettings {
  return { sealKey: undefined, sealKeyFile: undefined, dataDir: join(folder, 'data'), ...given };
}

function failure(given: Partial<SealKeySettings>): SealKeyError {
  try {
    loadSealKeys(settings(given));
  } catch (error) {
    if (error instanceof SealKeyError) return error;
    throw error;
  }
  throw new Error('the key was taken');
}

describe('loadSealKeys', () => {
  it.each([hex, hex.toUpperCase(), bytes.toString('base64'), bytes.toString('base64url'), ` ${hex}\n`])(
    'takes the key as %s',
    (sealKey) => {
      const { keys, warning } = loadSealKeys(settings({ sealKey }));
      expect(keys.map((key) => Buffer.from(key))).toEqual([bytes]);
      expect(warning).toBeUndefined();
      expect(existsSync(join(folder, 'data'))).toBe(false);
    },
  );

  it('makes no key where there are other instances, which would not know it', () => {
    for (const dataDir of ['memory', join(folder, 'data')]) {
      const { message } = failure({ dataDir, peerHost: '10.0.0.1' });
      expect(message).toMatch(
        /^PROXY_PEER_HOST is set, so there are other instances, .*set PROXY_SEAL_KEY or PROXY_SEAL/,
      );
    }
    expect(existsSync(join(folder, 'data'))).toBe(false);
    expect(loadSealKeys(settings({ sealKey: hex, peerHost: '10.0.0.1' })).keys).toHaveLength(1);
  });

  it('takes several keys in their order, from the variable and from a file', () => {
    const expected = [bytes, Buffer.from(otherHex, 'hex')];
    const fromVariable = loadSealKeys(settings({ sealKey: `${hex},${otherHex}` })).keys;
    expect(fromVariable.map((key) => Buffer.from(key))).toEqual(expected);
    const sealKeyFile = join(folder, 'keys');
    writeFileSync(sealKeyFile, `${hex}\r\n\n${otherHex}\n`);
    expect(loadSealKeys(settings({ sealKeyFile })).keys.map((key) => Buffer.from(key))).toEqual(expected);
  });

  it.each([
    ['short', hex.slice(2), 'malformed'],
    ['long', `${hex}00`, 'malformed'],
    ['a pass phrase', 'correct horse battery staple cannot be it', 'malformed'],
    ['zeros', '0'.repeat(64), 'weak'],
    ['a pattern', '0123456789abcdef'.repeat(4), 'weak'],
    ['one good and one bad', `${hex},${'ab'.repeat(32)}`, 'key 2 of PROXY_SEAL_KEY is weak'],
    ['only commas', ',,', 'holds no key'],
  ])('refuses a key that is %s and does not repeat it', (_name, sealKey, why) => {
    const { message } = failure({ sealKey });
    expect(message).toContain('PROXY_SEAL_KEY');
    expect(message).toContain(why);
    for (const text of sealKey.split(',').filter((one) => one !== '')) expect(message).not.toContain(text);
  });

  it('holds 16 keys and no more', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => hex.slice(0, -2) + (index + 16).toString(16)).join(',');
    expect(loadSealKeys(settings({ sealKey: many(16) })).keys).toHaveLength(16);
    expect(failure({ sealKey: many(17) }).message).toContain('17 keys: at most 16');
  });

  it('refuses two sources at a time', () => {
    expect(failure({ sealKey: hex, sealKeyFile: 'x' }).message).toMatch(/PROXY_SEAL_KEY and PROXY_SEAL_KEY_FILE/);
  });

  it('names the file that cannot be read, and the cause', () => {
    const error = failure({ sealKeyFile: join(folder, 'absent') });
    expect(error.message).toMatch(/PROXY_SEAL_KEY_FILE \(.*absent\) cannot be read \(ENOENT\)/);
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
  });

  it('makes a key once, readable by its owner only, and finds it again', () => {
    const first = loadSealKeys(settings({}));
    const path = join(folder, 'data', 'seal.key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toBe(`${Buffer.from(first.keys[0] ?? []).toString('hex')}\n`);
    expect(first.warning).toBeUndefined();
    expect(loadSealKeys(settings({}))).toEqual(first);
    expect(readdirSync(join(folder, 'data'))).toEqual(['seal.key']);
  });

  it('refuses a made key that was spoilt, instead of replacing it', () => {
    loadSealKeys(settings({}));
    const path = join(folder, 'data', 'seal.key');
    writeFileSync(path, 'spoilt');
    expect(failure({}).message).toMatch(/PROXY_DATA_DIR \(.*seal\.key\) is malformed/);
    expect(readFileSync(path, 'utf8')).toBe('spoilt');
  });

  it('agrees on one key when several processes start at once', async () => {
    compileSource(folder, ['proxy/session/seal.ts', 'proxy/session/seal-keys.ts']);
    const program = `
      import { once } from 'node:events';
      import { loadSealKeys } from './proxy/session/seal-keys.js';
      process.stdout.write('ready');
      await once(process.stdin, 'data');
      const { keys } = loadSealKeys({ dataDir: 'data' });
      process.stdout.write(Buffer.from(keys[0]).toString('hex'));
      process.exit();`;
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', program], {
        cwd: folder,
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    await Promise.all(children.map((child) => once(child.stdout, 'data')));
    const answers = children.map((child) => once(child.stdout, 'data'));
    for (const child of children) child.stdin.write('go');
    const keys = (await Promise.all(answers)).map(String);
    expect(keys).toEqual(keys.map(() => readFileSync(join(folder, 'data', 'seal.key'), 'utf8').trim()));
  }, 30_000);

  it('warns of a random key where nothing is kept on disk', () => {
    const one = loadSealKeys(settings({ dataDir: 'memory' }));
    const other = loadSealKeys(settings({ dataDir: 'memory' }));
    expect(one.warning).toMatch(/PROXY_DATA_DIR is memory.*PROXY_SEAL_KEY/s);
    expect(one.keys[0]).toHaveLength(32);
    expect(one.keys).not.toEqual(other.keys);
  });

  it('warns of a random key where the data directory cannot be written', () => {
    writeFileSync(join(folder, 'file'), '');
    const { keys, warning } = loadSealKeys(settings({ dataDir: join(folder, 'file', 'data') }));
    expect(warning).toMatch(/seal\.key cannot be written \(ENOTDIR\)/);
    expect(keys).toHaveLength(1);
  });
});
