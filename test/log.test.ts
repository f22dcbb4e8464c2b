import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLog, type LogLevel, lineBytesMax } from '../src/log.ts';
import { compileSource } from './support/compiled-source.ts';

function create(level: LogLevel = 'debug') {
  const lines: string[] = [];
  return { log: createLog(level, { write: (line) => lines.push(line) }), lines };
}

/** The one event that was written. */
function written(fields: object, message = 'it happened'): Record<string, unknown> {
  const { log, lines } = create();
  log.warn(fields, message);
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>;
}

describe('createLog', () => {
  it('writes level, time, fields and message', () => {
    const { time, ...rest } = written({ broker: '127.0.0.1:10911', queueCount: 8, offset: 2n ** 60n, empty: null });
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(rest).toEqual({
      level: 'warn',
      broker: '127.0.0.1:10911',
      queueCount: 8,
      offset: '1152921504606846976',
      empty: null,
      message: 'it happened',
    });
  });

  it.each<[LogLevel, string[]]>([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
    ['silent', []],
  ])('at %s writes %j', (level, expected) => {
    const { log, lines } = create(level);
    for (const name of ['debug', 'info', 'warn', 'error'] as const) log[name]({}, 'x');
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(expected);
  });

  it('writes what an error knows, with its cause', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', port: 9876 });
    const { error } = written({ error: new TypeError('no broker', { cause }) });
    expect(error).toEqual({
      name: 'TypeError',
      message: 'no broker',
      at: expect.stringContaining('log.test.ts'),
      cause: { name: 'Error', message: 'refused', code: 'ECONNREFUSED', port: 9876, at: expect.any(String) },
    });
  });

  it('never writes what is named like a secret, at no level and at no depth', () => {
    const canary = 'canary-3f8a';
    const secrets = {
      accessKeySecret: canary,
      access_key_id: canary,
      'access-key-id': canary,
      ROCKETMQ_ACCESS_KEY_SECRET: canary,
      credentials: { id: canary },
      Authorization: canary,
      signature: canary,
      sessionToken: canary,
      password: canary,
      sealKey: Buffer.from(canary),
      messageBody: canary,
      body: [canary],
      receiptHandle: canary,
      producer_id: canary,
      consumerId: canary,
      set_cookie: canary,
    };
    const { log, lines } = create();
    for (const fields of [
      secrets,
      { request: secrets },
      { list: [secrets] },
      { error: Object.assign(new Error('x'), secrets) },
    ]) {
      for (const name of ['debug', 'info', 'warn', 'error'] as const) log[name](fields, 'a call failed');
    }
    expect(lines).toHaveLength(16);
    for (const line of lines) {
      expect(line).not.toContain(canary);
      expect(line).not.toContain(Buffer.from(canary).toString('base64'));
    }
    expect(written({ bodyBytes: 12, tokenCount: 3, hasSecret: true })).toMatchObject({
      bodyBytes: 12,
      tokenCount: 3,
      hasSecret: true,
    });
  });

  const deep: Record<string, unknown> = {};
  deep['again'] = deep;
  const wide = (make: () => unknown) =>
    Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`name${index}`, make()]));
  it.each<[string, object, string]>([
    ['a long text', { topic: 'x'.repeat(1e6) }, 'm'],
    ['a long text that JSON makes six times as long', { topic: '\u0000'.repeat(1e6) }, 'm'],
    ['characters of four bytes', { topic: '𝄞'.repeat(1e5) }, 'm'],
    ['a long name', { ['n'.repeat(1e6)]: 1 }, 'm'],
    ['a long message', {}, '\u001b[31m'.repeat(1e5)],
    [
      'everything long',
      { a: '\n'.repeat(1e4), b: 'y'.repeat(1e4), ['\n'.repeat(1e4)]: 'z'.repeat(1e4) },
      '\n'.repeat(1e4),
    ],
    ['many fields', wide(() => wide(() => wide(() => 1234567.89))), 'm'],
    ['many texts', wide(() => wide(() => ['"', '"'])), 'm'],
    ['many empty things', wide(() => wide(() => ({}))), 'm'],
    ['a long list', { list: Array.from({ length: 1e5 }, () => []) }, 'm'],
    ['a circle', deep, 'm'],
    ['a circle of errors', { error: Object.assign(new Error('x'.repeat(1e5)), { deep }) }, '\u2028'.repeat(2000)],
  ])('makes one line of at most 4 KiB of %s', (_name, fields, message) => {
    const { log, lines } = create();
    log.error(fields, message);
    expect(lines).toHaveLength(1);
    expect(Buffer.byteLength(lines[0] ?? '')).toBeLessThanOrEqual(lineBytesMax);
    expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
    expect(() => JSON.parse(lines[0] ?? '')).not.toThrow();
  });

  it('escapes what would steer a terminal or forge a line', () => {
    const { log, lines } = create();
    log.info({ topic: 'a\n{"level":"error"}\u001b[2J' }, 'b\r\nc');
    expect(lines[0]).toContain('"topic":"a\\n{\\"level\\":\\"error\\"}\\u001b[2J","message":"b\\r\\nc"}\n');
  });

  it.runIf(existsSync('/dev/full'))(
    'outlives a disk that is full',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'log-'));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      compileSource(folder, ['log.ts']);
      const program = `
      const { createLog } = await import('./log.js');
      const log = createLog('info');
      for (let count = 0; count < 10; count += 1) log.info({}, 'there is no room for this');
      setTimeout(() => process.exit(7), 50);`;
      const full = openSync('/dev/full', 'w');
      onTestFinished(() => closeSync(full));
      const stdio = ['ignore', full, 'ignore'] as const;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: folder, stdio: [...stdio] });
      expect(await once(child, 'exit')).toEqual([7, null]);
    },
    30_000,
  );

  it('writes to standard output before it returns, and outlives a reader that goes away', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'log-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    compileSource(folder, ['log.ts']);
    const program = `
      const { createLog } = await import('./log.js');
      const log = createLog('info');
      log.info({}, 'first');
      process.stdin.once('data', () => {
        for (let count = 0; count < 10; count += 1) log.info({}, 'nobody reads this');
        setTimeout(() => process.exit(7), 50);
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: folder, stdio: 'pipe' });
    const [line] = await once(child.stdout, 'data');
    expect(String(line)).toMatch(/"message":"first"}\n$/);
    child.stdout.destroy();
    await once(child.stdout, 'close');
    child.stdin.write('go');
    expect(await once(child, 'exit')).toEqual([7, null]);
  }, 30_000);
});
