import { describe, expect, test } from 'vitest';
import {
  checkConsumeFrom,
  checkInvisibleDuration,
  openConsumer,
  parseFilter,
} from '../../../src/client/api/subscription.ts';
import { ClusterClient } from '../../../src/client/client.ts';
import { clientDefaults } from '../../../src/client/options.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { startTestBroker } from '../../../src/testing/test-broker.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

describe('subscriptions', () => {
  test('filter by tags or by a condition', () => {
    expect(parseFilter('a||b')).toMatchObject({ type: 'TAG', expression: 'a || b' });
    expect(parseFilter('*')).toMatchObject({ type: 'TAG', expression: '*' });
    expect(parseFilter({ sql: 'price > 10' })).toMatchObject({ type: 'SQL92', expression: 'price > 10' });
    expect(() => parseFilter(JSON.parse('5'))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => parseFilter('a|b')).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  test('begin at a place', () => {
    expect(checkConsumeFrom()).toEqual({ kind: 'last' });
    expect(checkConsumeFrom('first')).toEqual({ kind: 'first' });
    expect(checkConsumeFrom(new Date(5))).toEqual({ kind: 'timestamp', timestampMs: 5 });
    expect(() => checkConsumeFrom(JSON.parse('"middle"'))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('leave receivers 1 s to 12 h', () => {
    for (const durationMs of [1_000, 43_200_000]) checkInvisibleDuration('x', durationMs);
    for (const durationMs of [999, 43_200_001]) expect(() => checkInvisibleDuration('x', durationMs)).toThrow(/x is/);
  });

  test('a consumer that cannot be opened is closed', async () => {
    const broker = await startTestBroker({ autoCreateTopics: false });
    const nameServers = [broker.nameServer];
    const cluster = new ClusterClient({ ...clientDefaults, nameServers, log: new MemoryLog() });
    try {
      const options = {
        subscriber: { group: 'billing', topic: 'unknown' },
        filter: parseFilter('*'),
        invisibleDurationMs: 30_000,
        renewalDurationMs: 0,
        mode: undefined,
      };
      await expect(openConsumer(cluster, options, Deadline.after(10_000))).rejects.toMatchObject({ kind: 'noRoute' });
      expect(cluster.consumerCount).toBe(0);
    } finally {
      await cluster.close();
      await broker.close();
    }
  });
});
