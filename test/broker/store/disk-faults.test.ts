import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../../src/broker/store/message-store.ts';
import { CompiledStore, StoringProcess } from './storing-process.ts';
import { bodiesOf, keptLog, newFolder, openStore, store1 } from './support.ts';

const hasMount = ['mount', 'umount'].every((command) => spawnSync(command, ['--version']).status === 0);
const mayMount = process.platform === 'linux' && process.getuid?.() === 0 && hasMount;

describe.runIf(mayMount)('a full disk (needs root on Linux and mount, to mount one)', () => {
  /** A disk of 1 MB in a folder. */
  function smallDisk(): string {
    const folder = newFolder();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
    onTestFinished(() => void execFileSync('umount', [folder]));
    return folder;
  }

  test.each(['async', 'sync'] as const)(
    'refuses sends, serves reads, and takes sends again when there is room: %s',
    async (flush) => {
      const directory = smallDisk();
      const filler = join(directory, 'filler');
      writeFileSync(filler, Buffer.alloc(300_000));
      const { log, lines } = keptLog();
      const options = { directory, flush, log, segmentBytes: 200_000 };
      const store = await openStore(options);
      const stored: string[] = [];
      const kinds = new Set<unknown>();
      const send = async (count: number): Promise<void> => {
        const from = stored.length + 1_000 * kinds.size;
        for (let number = from; number < from + count; number += 1) {
          const body = `${number} `.padEnd(5_000, 'x');
          try {
            expect((await store1(store, body)).queueOffset).toBe(stored.length);
            stored.push(body);
          } catch (error) {
            kinds.add(error instanceof StoreError ? error.kind : error);
          }
        }
      };
      await send(200);
      expect([...kinds]).toEqual(['full']);
      const storedFirst = stored.length;
      expect(storedFirst).toBeGreaterThan(100);
      expect([...bodiesOf(store).values()]).toEqual(stored);
      rmSync(filler);
      await send(20);
      expect(stored.length).toBe(storedFirst + 20);
      expect([...bodiesOf(store).values()]).toEqual(stored);
      await store.close();
      expect(lines.map(({ message }) => message)).toEqual([
        'the log cannot be written: sends fail',
        'the log is written again',
      ]);
      expect([...bodiesOf(await openStore(options)).values()]).toEqual(stored);
      expect(lines).toHaveLength(2);
    },
  );

  test('that is full at the start can be read, and says so when it is sent to', async () => {
    const directory = smallDisk();
    const options = { directory, segmentBytes: 50_000 };
    const store = await openStore(options);
    for (let number = 0; number < 30; number += 1) await store1(store, 'x'.repeat(5_000));
    await store.close();
    expect(() => writeFileSync(join(directory, 'filler'), Buffer.alloc(1_000_000))).toThrow('ENOSPC');
    rmSync(join(directory, 'lock'), { force: true });
    await expect(openStore(options)).rejects.toMatchObject({ kind: 'io', cause: { code: 'ENOSPC' } });
    // A page for the lock file.
    writeFileSync(join(directory, 'filler'), Buffer.alloc(statSync(join(directory, 'filler')).size - 8_192));
    const again = await openStore(options);
    expect(bodiesOf(again).size).toBe(30);
    await expect(store1(again, 'x'.repeat(20_000))).rejects.toMatchObject({ kind: 'full' });
  });
});

/** True where strace may watch our processes. */
const mayTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

describe.runIf(mayTrace)('flushes of the disk (needs strace, to count and to fail them)', () => {
  let compiled: CompiledStore;

  beforeAll(() => {
    compiled = new CompiledStore();
  });

  afterAll(() => compiled.remove());

  /** Runs a process that stores messages, with a trace of its flushes. */
  async function run(flush: 'async' | 'sync', inFlight: number, count: number, ...expressions: string[]) {
    const directory = newFolder();
    const trace = join(newFolder(), 'trace');
    const command = ['strace', '-f', '-qq', '-o', trace, '-e', 'trace=fdatasync'];
    for (const expression of expressions) command.push('-e', expression);
    const child = new StoringProcess(compiled, { directory, flush, inFlight, firstNumber: 1, count, command });
    await child.until(() => child.said.includes('closed'));
    await child.kill();
    const flushCount = readFileSync(trace, 'utf8').match(/fdatasync\(/g)?.length ?? 0;
    return { child, directory, flushCount };
  }

  test('many sends share one', async () => {
    const { child, flushCount } = await run('sync', 64, 640);
    expect(child.stored.size).toBe(640);
    expect(flushCount).toBeGreaterThanOrEqual(10);
    expect(flushCount).toBeLessThan(40);
  });

  test('each send has its own when it comes alone', async () => {
    const { flushCount } = await run('sync', 1, 30);
    expect(flushCount).toBeGreaterThanOrEqual(30);
  });

  test('that fail fail their sends, which never come back; others are stored', async () => {
    const { child, directory } = await run('sync', 1, 40, 'inject=fdatasync:error=EIO:when=7+9');
    expect(new Set(child.failed.values())).toEqual(new Set(['io']));
    expect(child.failed.size).toBeGreaterThanOrEqual(3);
    expect(child.stored.size).toBe(40 - child.failed.size);
    // Each failure ended a segment.
    expect(readdirSync(join(directory, 'commitlog')).length).toBeGreaterThanOrEqual(child.failed.size);
    const { log, lines } = keptLog();
    const numbers = [...bodiesOf(await openStore({ directory, log })).values()].map((body) =>
      Number.parseInt(body, 10),
    );
    const expected = [...child.stored.keys()].flatMap((number) =>
      number % 10 === 0 ? [number, number, number] : [number],
    );
    expect(numbers).toEqual(expected);
    expect(lines).toEqual([]);
  });

  test('in the background fail nothing that was stored already', async () => {
    const { child, directory, flushCount } = await run('async', 4, 100, 'inject=fdatasync:error=EIO');
    expect([child.stored.size, child.failed.size]).toEqual([100, 0]);
    expect(flushCount).toBeGreaterThanOrEqual(1);
    expect(bodiesOf(await openStore({ directory })).size).toBe(120);
  });
});
