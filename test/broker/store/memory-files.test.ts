import { expect, test } from 'vitest';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';

test('files grow, are read as far as they go, and are cut', async () => {
  const files = new MemoryFiles();
  const file = files.create(100);
  const bytes = Buffer.alloc(100_000, 7);
  file.write(bytes, 0);
  file.write(bytes, 100_000);
  await file.sync();
  const target = Buffer.alloc(300_000, 1);
  expect(file.read(target, 5, 299_000, 1)).toBe(199_999);
  expect([target[4], target[5], target[200_003], target[200_004]]).toEqual([1, 7, 7, 1]);
  file.truncate(10);
  expect(file.read(target, 0, 100, 4)).toBe(6);
  expect(file.read(target, 0, 100, 10)).toBe(0);
  files.create(5);
  expect(files.list()).toEqual([
    { start: 5, bytes: 0 },
    { start: 100, bytes: 10 },
  ]);
});

test('a file can be opened again, replaced and removed', () => {
  const files = new MemoryFiles();
  files.create(0).write(Buffer.from('abc'), 0);
  const target = Buffer.alloc(3);
  expect(files.open(0).read(target, 0, 3, 0)).toBe(3);
  expect(files.create(0).read(target, 0, 3, 0)).toBe(0);
  files.remove(0);
  expect(files.list()).toEqual([]);
  expect(files.describe(7)).toBe('segment 7 in memory');
  files.close();
});
