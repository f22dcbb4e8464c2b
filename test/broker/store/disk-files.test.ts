import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DiskFiles } from '../../../src/broker/store/disk-files.ts';
import { keptLog, newFolder } from './support.ts';

test('files are named by their offset, written, read, cut and removed', async () => {
  const directory = newFolder();
  const files = new DiskFiles(directory, keptLog().log);
  const file = files.create(2 ** 40);
  const path = join(directory, 'commitlog', '00000001099511627776');
  expect(files.describe(2 ** 40)).toBe(path);
  expect(existsSync(path)).toBe(true);
  file.write(Buffer.from('hello'), 0);
  file.write(Buffer.from('xyz'), 5);
  await file.sync();
  file.truncate(6);
  const target = Buffer.alloc(10);
  expect(file.read(target, 1, 9, 2)).toBe(4);
  expect(target.toString('latin1', 1, 5)).toBe('llox');
  file.close();
  expect(files.list()).toEqual([{ start: 2 ** 40, bytes: 6 }]);
  const again = files.open(2 ** 40);
  expect(again.read(target, 0, 10, 0)).toBe(6);
  again.close();
  files.remove(2 ** 40);
  expect(existsSync(path)).toBe(false);
  files.close();
});

test('a new file replaces what has its name', () => {
  const files = new DiskFiles(newFolder(), keptLog().log);
  const old = files.create(0);
  old.write(Buffer.from('old'), 0);
  const file = files.create(0);
  expect(file.read(Buffer.alloc(3), 0, 3, 0)).toBe(0);
  old.close();
  file.close();
});

test('files of other names are named in the log and left alone', () => {
  const directory = newFolder();
  const { log, lines } = keptLog();
  const files = new DiskFiles(directory, log);
  const folder = join(directory, 'commitlog');
  const strange = ['0', '00000000000000000001.tmp', '0x000000000000000000', '99999999999999999999', 'notes.txt'];
  for (const name of strange) writeFileSync(join(folder, name), 'x');
  mkdirSync(join(folder, '00000000000000000007'));
  for (const start of [30, 4]) files.create(start).close();
  expect(files.list().map(({ start }) => start)).toEqual([4, 30]);
  expect(lines.map(({ file }) => file).sort()).toEqual(
    [...strange, '00000000000000000007'].map((name) => join(folder, name)).sort(),
  );
  expect(readdirSync(folder)).toHaveLength(8);
});

test('a folder that cannot be is an error', () => {
  const directory = newFolder();
  writeFileSync(join(directory, 'commitlog'), 'a file');
  expect(() => new DiskFiles(directory, keptLog().log)).toThrow(/EEXIST/);
});
