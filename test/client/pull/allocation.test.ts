import { expect, test } from 'vitest';
import { averageAllocation } from '../../../src/client/pull/allocation.ts';

const queues = Array.from({ length: 5 }, (_, queueId) => ({ topic: 't', brokerName: 'a', queueId }));

test('AVG gives each member consecutive queues, the first ones more', () => {
  const clientIds = ['c0', 'c1', 'c2'];
  const shares = clientIds.map((clientId) =>
    averageAllocation.allocate({ group: 'g', clientId, clientIds, queues }).map(({ queueId }) => queueId),
  );
  expect(shares).toEqual([[0, 1], [2, 3], [4]]);
});
