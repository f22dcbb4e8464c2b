import { expect, test } from 'vitest';
import { AckedDeliveries } from '../../../src/client/pull/acked-deliveries.ts';

test('knows what was acknowledged, the newest 65,536 of it', () => {
  const acked = new AckedDeliveries();
  expect(acked.has('1')).toBe(false);
  for (let number = 0; number <= 65_536; number += 1) acked.add(String(number));
  expect([acked.has('0'), acked.has('1'), acked.has('65536')]).toEqual([false, true, true]);
});
