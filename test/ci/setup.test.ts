import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';

// Each test starts several processes.
vi.setConfig({ testTimeout: 30_000 });

/** Stands for npm, which the script finds by the variable that npm sets: installs one package and notes that it did. */
const npm = `
  import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
  import { setTimeout as sleep } from 'node:timers/promises';
  appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n');
  rmSync('node_modules', { recursive: true, force: true });
  mkdirSync('node_modules/typescript/bin', { recursive: true });
  writeFileSync('npm.pid', String(process.pid));
  while (existsSync('npm.hold')) await sleep(10);
  if (existsSync('npm.fails')) process.exit(1);
  writeFileSync('node_modules/typescript/bin/tsc', \`
    const { appendFileSync, existsSync, mkdirSync, writeFileSync } = require('node:fs');
    appendFileSync('tsc.log', 'tsc\\\\n');
    if (existsSync('tsc.fails')) process.exit(2);
    mkdirSync('dist', { recursive: true });
    writeFileSync('dist/server.js', '#!/usr/bin/env node');\`);
  const packages = JSON.parse((await import('node:fs')).readFileSync('package-lock.json', 'utf8')).packages;
  delete packages[''];
  delete packages['node_modules/for-another-platform'];
  writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));`;

let folder: string;
const has = (name: string): boolean => existsSync(join(folder, name));
const put = (name: string, content = ''): void => writeFileSync(join(folder, name), content);
const lineCount = (name: string): number =>
  has(name) ? readFileSync(join(folder, name), 'utf8').split('\n').length - 1 : 0;

function putLock(version: string): void {
  const typescript = { version, integrity: `sha512-${version}` };
  const packages = {
    '': {},
    'node_modules/typescript': typescript,
    'node_modules/for-another-platform': { version, optional: true },
  };
  put('package-lock.json', JSON.stringify({ packages }));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'setup-'));
  const made = folder;
  onTestFinished(() => rmSync(made, { recursive: true }));
  mkdirSync(join(folder, '.ci'));
  copyFileSync('.ci/setup.mjs', join(folder, '.ci/setup.mjs'));
  put('npm-cli.mjs', npm);
  putLock('6.0.3');
});

interface Setup {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null; readonly output: string }>;
}

function start(): Setup {
  const env = { ...process.env, npm_execpath: join(folder, 'npm-cli.mjs') };
  const child = spawn(process.execPath, [join(folder, '.ci/setup.mjs')], {
    cwd: tmpdir(),
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, output }));
  return { child, ended };
}

describe('.ci/setup.mjs', () => {
  it('installs and compiles, and the next time says and installs nothing', async () => {
    const first = await start().ended;
    expect(first).toMatchObject({ code: 0, signal: null });
    expect(first.output).toMatch(/^Installing [^\n]*\n$/);
    expect(readFileSync(join(folder, 'npm.log'), 'utf8')).toMatch(/^ci --ignore-scripts --include=dev /);
    expect(statSync(join(folder, 'dist/server.js')).mode & 0o111).toBe(0o111);
    expect(await start().ended).toEqual({ code: 0, signal: null, output: '' });
    expect([lineCount('npm.log'), lineCount('tsc.log')]).toEqual([1, 2]);
    expect(has('build/setup.lock')).toBe(false);
  });

  it('installs again when the lock file names something else', async () => {
    await start().ended;
    putLock('6.0.4');
    expect((await start().ended).output).toContain('Installing');
    expect(lineCount('npm.log')).toBe(2);
  });

  it('says what to do when packages cannot be had', async () => {
    put('npm.fails');
    const { code, output } = await start().ended;
    expect(code).toBe(1);
    expect(output).toMatch(/npm ci failed.*registry.*try again\.\n$/s);
    expect(output).not.toContain('    at ');
    rmSync(join(folder, 'npm.fails'));
    expect((await start().ended).code).toBe(0);
  });

  it('fails when the sources do not compile', async () => {
    put('tsc.fails');
    expect(await start().ended).toMatchObject({ code: 1, output: expect.stringContaining('do not compile') });
  });

  it('works when three run at once: one installs, the others wait', async () => {
    put('npm.hold');
    const setups = [start(), start(), start()];
    await expect.poll(() => has('npm.pid'), { timeout: 20_000 }).toBe(true);
    rmSync(join(folder, 'npm.hold'));
    const results = await Promise.all(setups.map(({ ended }) => ended));
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect([lineCount('npm.log'), lineCount('tsc.log')]).toEqual([1, 3]);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'is made good by the next one after %s in the middle',
    async (signal) => {
      put('npm.hold');
      const interrupted = start();
      await expect.poll(() => has('npm.pid'), { timeout: 20_000 }).toBe(true);
      const exited = once(interrupted.child, 'exit');
      interrupted.child.kill(signal);
      expect(await exited).toEqual([null, signal]);
      const installer = Number(readFileSync(join(folder, 'npm.pid'), 'utf8'));
      const isRunning = (): boolean => {
        try {
          return process.kill(installer, 0);
        } catch {
          return false;
        }
      };
      // Only SIGKILL cannot take npm along; then its end is waited for.
      expect(isRunning()).toBe(signal === 'SIGKILL');
      const next = start();
      if (signal === 'SIGKILL') await once(next.child.stderr ?? next.child, 'data');
      rmSync(join(folder, 'npm.hold'));
      expect((await next.ended).code).toBe(0);
      expect(lineCount('npm.log')).toBe(signal === 'SIGKILL' ? 1 : 2);
      expect(has('dist/server.js')).toBe(true);
    },
  );

  it('does not wait for a lock whose owner is gone', async () => {
    const gone = spawn(process.execPath, ['-e', '']);
    await once(gone, 'exit');
    mkdirSync(join(folder, 'build'));
    put('build/setup.lock', `${gone.pid}\n`);
    expect(await start().ended).toMatchObject({ code: 0, output: expect.not.stringContaining('Waiting') });
  });

  it('refuses a Node that is too old', async () => {
    const script = join(folder, '.ci/setup.mjs');
    writeFileSync(script, readFileSync(script, 'utf8').replace('[20, 19]', '[999, 1]'));
    const { code, output } = await start().ended;
    expect([code, output]).toEqual([1, `Node 999.1 or newer is needed; this is ${process.versions.node}.\n`]);
    expect(has('npm.log')).toBe(false);
  });
});
