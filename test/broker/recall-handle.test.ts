import { expect, test } from 'vitest';
import { readRecallHandle, recallHandleOf } from '../../src/broker/recall-handle.ts';
import { order } from '../support/started-engine.ts';

const waiting = {
  ...order({ REAL_TOPIC: 'orders', REAL_QID: '1', TIMER_OUT_MS: '1700000009000' }),
  topic: 'rmq_sys_wheel_timer',
};

test('a handle is what Java makes of version, topic, broker, time and id, with padding', () => {
  const handle = recallHandleOf(waiting, 'broker-a');
  expect(handle).toBe('djEgb3JkZXJzIGJyb2tlci1hIDE3MDAwMDAwMDkwMDAgN0YwMDAwMDEwMDAx');
  expect(Buffer.from(handle ?? '', 'base64url').toString()).toBe('v1 orders broker-a 1700000009000 7F0000010001');
  const other = recallHandleOf(waiting, 'broker-ab');
  expect(other).toMatch(/^[\w-]+==$/);
  expect(readRecallHandle(other ?? '')).toEqual({
    topic: 'orders',
    brokerName: 'broker-ab',
    deliverMs: 1_700_000_009_000,
    messageId: '7F0000010001',
  });
});

test('is read without padding, and with the letters of URLs', () => {
  const text = 'v1 o?>>??> b 5 id';
  const handle = Buffer.from(text).toString('base64url');
  expect(handle).toMatch(/[-_]/);
  expect(readRecallHandle(handle)).toMatchObject({ topic: 'o?>>??>', deliverMs: 5 });
});

test.each([
  ['a message that waits for no time', order()],
  ['one that waits for a level', { ...waiting, topic: 'SCHEDULE_TOPIC_XXXX' }],
  ['a retry', { ...waiting, properties: new Map([...waiting.properties, ['REAL_TOPIC', '%RETRY%group']]) }],
])('there is none for %s', (_what, draft) => {
  expect(recallHandleOf(draft, 'broker-a')).toBeUndefined();
});

test.each([
  '',
  '****',
  ...['v2 t b 5 id', 'v1 t b 5', 'v1 t b 5 ', 'v1 t b x id', 'v1 t b -5 id', `v1 t b ${'9'.repeat(16)} id`].map(
    (text) => Buffer.from(text).toString('base64url'),
  ),
])('%j is none', (handle) => {
  expect(() => readRecallHandle(handle)).toThrow(expect.objectContaining({ code: 604 }));
});
