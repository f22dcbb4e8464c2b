import { expect, test } from 'vitest';
import { Bell } from '../../src/client/bell.ts';

test('wakes who listens', async () => {
  const bell = new Bell();
  const heard = bell.heard();
  bell.ring();
  await heard;
});

test('keeps one ring that nobody heard, not more', async () => {
  const bell = new Bell();
  bell.ring();
  bell.ring();
  await bell.heard();
  let woken = false;
  const next = bell.heard().then(() => {
    woken = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(woken).toBe(false);
  bell.ring();
  await next;
});

test('a listener goes on without a ring after its time, and leaves nothing behind', async () => {
  const bell = new Bell();
  await bell.heard(5);
  bell.ring();
  await bell.heard(60_000);
});
