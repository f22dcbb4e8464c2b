import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { lockDirectory } from '../../../src/broker/store/lock-file.ts';
import { newFolder } from './support.ts';

test('a directory belongs to one until it is given back', () => {
  const directory = newFolder();
  const unlock = lockDirectory(directory);
  expect(() => lockDirectory(directory)).toThrow(`${directory} is in use by process ${process.pid}; stop it`);
  unlock();
  expect(readdirSync(directory)).toEqual([]);
  lockDirectory(directory)();
});

test('another process that lives keeps it', async () => {
  const directory = newFolder();
  const unlock = lockDirectory(directory);
  const mine = readFileSync(join(directory, 'lock'), 'utf8');
  unlock();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  const stat = existsSync('/proc') ? readFileSync(`/proc/${child.pid}/stat`, 'utf8') : undefined;
  const ticks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  const theirs = ticks === undefined ? `${child.pid}` : `${child.pid} ${ticks} ${mine.split(' ')[2]}`;
  writeFileSync(join(directory, 'lock'), theirs);
  expect(() => lockDirectory(directory)).toThrow(`in use by process ${child.pid}`);
  expect(readFileSync(join(directory, 'lock'), 'utf8')).toBe(theirs);
  child.kill('SIGKILL');
  await once(child, 'exit');
  lockDirectory(directory)();
});

test.runIf(existsSync('/proc/self/stat'))(
  'a process that has ended and that nobody waited for keeps nothing',
  async () => {
    const directory = newFolder();
    const unlock = lockDirectory(directory);
    const boot = readFileSync(join(directory, 'lock'), 'utf8').split(' ')[2];
    unlock();
    // The shell becomes a program that does not know of the child it had.
    const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60']);
    onTestFinished(() => void parent.kill('SIGKILL'));
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(String(line));
    const fields = (): readonly string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    await vi.waitUntil(() => fields()[0] === 'Z', { timeout: 10_000 });
    writeFileSync(join(directory, 'lock'), `${pid} ${fields()[19]} ${boot}`);
    lockDirectory(directory)();
  },
);

test.each([
  ['of a process that is gone', '4194304999 1 x'],
  ['of an earlier process with our id', `${process.pid} 1 another-boot`],
  ['without an id', ''],
  ['that is no lock', 'hello'],
  ['of nobody', '0'],
  ['of a group', '-1'],
])('a lock %s is taken over', (_name, text) => {
  const directory = newFolder();
  writeFileSync(join(directory, 'lock'), text);
  const unlock = lockDirectory(directory);
  expect(readdirSync(directory)).toEqual(['lock']);
  expect(readFileSync(join(directory, 'lock'), 'utf8').startsWith(`${process.pid}`)).toBe(true);
  unlock();
});

test('a directory that is not there is an error', () => {
  expect(() => lockDirectory(join(newFolder(), 'missing'))).toThrow('ENOENT');
});
