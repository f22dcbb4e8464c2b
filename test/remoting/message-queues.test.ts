import { expect, test } from 'vitest';
import { queueListCountMax, readMessageQueues, readQueueTable } from '../../src/remoting/message-queues.ts';

const queue = { topic: 'T', brokerName: 'b', queueId: 3 };

function malformed(text: string): unknown {
  return expect.objectContaining({ kind: 'malformed', message: expect.stringContaining(text) });
}

test('queues are read, without whatever else stands there', () => {
  expect(readMessageQueues({ mqSet: [{ ...queue, more: 1 }] }, 'mqSet')).toEqual([queue]);
  expect(readMessageQueues({}, 'mqSet')).toEqual([]);
});

test('what is no queue is named', () => {
  for (const part of ['topic', 'brokerName']) {
    expect(() => readMessageQueues({ mqSet: [{ ...queue, [part]: 5 }] }, 'mqSet')).toThrow(malformed(part));
  }
  expect(() => readMessageQueues({ mqSet: [{ ...queue, queueId: 'x' }] }, 'mqSet')).toThrow(malformed('queueId'));
});

test('there are at most so many', () => {
  const most = new Array(queueListCountMax).fill(queue);
  expect(readMessageQueues({ mqSet: most }, 'mqSet')).toHaveLength(queueListCountMax);
  expect(() => readMessageQueues({ mqSet: [...most, queue] }, 'mqSet')).toThrow(malformed('at most 16384'));
});

test('tables have queues as keys', () => {
  const table = Object.fromEntries([[JSON.stringify(queue), 5]]);
  expect(readQueueTable({ table }, 'table')).toEqual([[queue, 5]]);
  expect([readQueueTable({}, 'table'), readQueueTable({ table: null }, 'table')]).toEqual([[], []]);
  expect(() => readQueueTable({ table: [] }, 'table')).toThrow(malformed('table'));
  expect(() => readQueueTable({ table: { x: 1 } }, 'table')).toThrow(expect.objectContaining({ kind: 'malformed' }));
  const most = Array.from({ length: queueListCountMax }, (_, queueId) => [JSON.stringify({ ...queue, queueId }), 1]);
  expect(readQueueTable({ table: Object.fromEntries(most) }, 'table')).toHaveLength(queueListCountMax);
  expect(() => readQueueTable({ table: Object.fromEntries([...most, ['{}', 1]]) }, 'table')).toThrow(
    malformed('16384'),
  );
});
