import { expect, test } from 'vitest';
import { claimedVersion, isVersion5, ProtocolVersion } from '../../src/remoting/version.ts';

test('the numbers are those of Java', () => {
  // Ordinals of `MQVersion.Version` of 5.5.0.
  expect(ProtocolVersion).toEqual({ V4_0_0: 213, V4_9_3: 399, V4_9_4: 401, V5_0_0: 413, V5_1_3: 439, V5_3_1: 475 });
});

test('what we claim gets standard JSON of name servers and no GO_AWAY of brokers', () => {
  expect(claimedVersion).toBeGreaterThanOrEqual(ProtocolVersion.V4_9_4);
  expect(claimedVersion).toBeLessThanOrEqual(ProtocolVersion.V5_3_1);
});

test('5.0.0 is the first version 5', () => {
  // 4.9.8, its snapshot of 5.0.0, 5.0.0, 5.5.0.
  expect([0, 409, 412, 413, 513].map(isVersion5)).toEqual([false, false, false, true, true]);
});
