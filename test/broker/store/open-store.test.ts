import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openMessageStore } from '../../../src/broker/store/open-store.ts';
import { newFolder, openStore, store1, storeHost, TestClock } from './support.ts';

test('a directory is made, belongs to one store, and is free when that ends', async () => {
  const directory = join(newFolder(), 'deep', 'data');
  const store = await openStore({ directory });
  await expect(openStore({ directory })).rejects.toThrow(`${directory} is in use by process ${process.pid}`);
  await store1(store, 'still works');
  await store.close();
  expect(readdirSync(directory)).toEqual(['commitlog']);
  await (await openStore({ directory })).close();
});

test('a store that cannot open leaves no lock', async () => {
  const directory = newFolder();
  writeFileSync(join(directory, 'commitlog'), 'a file');
  await expect(openStore({ directory })).rejects.toMatchObject({
    kind: 'io',
    message: expect.stringMatching(/cannot be opened \(EEXIST.*\): look at its rights and its disk/),
    cause: { code: 'EEXIST' },
  });
  expect(existsSync(join(directory, 'lock'))).toBe(false);
});

test('options that cannot be are refused before anything is made', async () => {
  const directory = join(newFolder(), 'data');
  await expect(openMessageStore({ directory, storeHost, clock: new TestClock(), segmentBytes: 0 })).rejects.toThrow(
    RangeError,
  );
  await expect(openMessageStore({ directory, storeHost: 'localhost:1', clock: new TestClock() })).rejects.toThrow(
    '"localhost:1" is not an IP address with a port',
  );
  expect(existsSync(directory)).toBe(false);
});

test.runIf(existsSync('/proc/self/fd'))('a store that is closed leaves no file open', async () => {
  const before = readdirSync('/proc/self/fd').length;
  const directory = newFolder();
  const store = await openStore({ directory, segmentBytes: 1_000 });
  for (let count = 0; count < 10; count += 1) await store1(store, 'x'.repeat(500));
  expect(readdirSync('/proc/self/fd').length).toBeGreaterThan(before + 3);
  await store.close();
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});
