import { expect, test } from 'vitest';
import { currentHandle, Deliveries } from '../../src/sdk/deliveries.ts';

test('a message knows whether it is settled, by whichever of its handles', async () => {
  const deliveries = new Deliveries();
  const delivery = deliveries.add('first');
  deliveries.replaced('first', 'second');
  expect(currentHandle(delivery)).toBe('second');
  const failing = deliveries.settling('second', () => Promise.reject(new Error('late')));
  expect(delivery.isSettled).toBe(true);
  await expect(failing).rejects.toThrow('late');
  expect(delivery.isSettled).toBe(false);
  expect(await deliveries.settling('second', async () => 'done')).toBe('done');
  expect(delivery.isSettled).toBe(true);
});

test('handles of messages that nobody has in hand are settled all the same', async () => {
  const deliveries = new Deliveries();
  const delivery = deliveries.add('first');
  deliveries.replaced('first', 'second');
  deliveries.remove(delivery);
  deliveries.replaced('unknown', 'other');
  for (const handle of ['first', 'second', 'unknown', 'other'])
    expect(await deliveries.settling(handle, async () => handle)).toBe(handle);
  expect(delivery.isSettled).toBe(false);
});
