import { expect, test } from 'vitest';
import { clientDefaults } from '../../src/client/options.ts';

test('the defaults keep what brokers and name servers demand', () => {
  // Brokers forget a client, and close an idle connection, after 120 s.
  expect(clientDefaults.heartbeatIntervalMs).toBeLessThanOrEqual(60_000);
  expect(clientDefaults.routeRefreshIntervalMs).toBeLessThanOrEqual(60_000);
  expect(clientDefaults.sendAttemptsMax).toBe(3);
  // A retry needs time that a try has left.
  expect(clientDefaults.connectTimeoutMs).toBeLessThanOrEqual(clientDefaults.requestTimeoutMs);
  expect(clientDefaults.brokerAllowed()).toBe(true);
});
