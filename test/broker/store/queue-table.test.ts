import { expect, test } from 'vitest';
import { QueueTable } from '../../../src/broker/store/queue-table.ts';

test('queues are made once, listed, trimmed and dropped by topic', () => {
  const table = new QueueTable();
  expect(table.get('a', 0)).toBeUndefined();
  const queue = table.getOrMake('a', 0);
  expect(table.getOrMake('a', 0)).toBe(queue);
  expect(table.get('a', 0)).toBe(queue);
  table.getOrMake('a', 7);
  table.getOrMake('b', 0).put(0, 500, 5, 0);
  queue.put(0, 100, 5, 0);
  expect([...table.names()]).toEqual([
    { topic: 'a', queueId: 0 },
    { topic: 'a', queueId: 7 },
    { topic: 'b', queueId: 0 },
  ]);
  table.trim(200);
  expect([queue.minOffset, table.get('b', 0)?.minOffset]).toEqual([1, 0]);
  table.drop('a');
  expect([...table.names()]).toEqual([{ topic: 'b', queueId: 0 }]);
  expect(table.getOrMake('a', 0).maxOffset).toBe(0);
});
