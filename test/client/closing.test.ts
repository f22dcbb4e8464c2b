import { expect, test } from 'vitest';
import { Closing } from '../../src/client/closing.ts';
import { deferred } from '../support/scripted-peer.ts';

const late = (): Error => new Error('too late');

test('is closed once, for all who ask', async () => {
  let count = 0;
  const closing = new Closing(late, async () => {
    count += 1;
  });
  closing.check();
  await Promise.all([closing.close(), closing.close()]);
  expect(count).toBe(1);
  expect(closing.isClosed).toBe(true);
  expect(() => closing.check()).toThrow('too late');
  await expect(closing.during(async () => 1)).rejects.toThrow('too late');
});

test('waits for what is under way, whichever way it ends', async () => {
  const closing: Closing = new Closing(late, () => closing.ended());
  const [one, other] = [deferred<void>(), deferred<void>()];
  const failing = async (): Promise<void> => {
    await other.promise;
    throw new Error('failed');
  };
  const works = [closing.during(() => one.promise), closing.during(failing)];
  let isClosed = false;
  const closed = closing.close().then(() => {
    isClosed = true;
  });
  one.resolve();
  await works[0];
  await new Promise((resolve) => setImmediate(resolve));
  expect(isClosed).toBe(false);
  other.resolve();
  await expect(works[1]).rejects.toThrow('failed');
  await closed;
});
