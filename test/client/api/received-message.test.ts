import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { ReceivedMessage } from '../../../src/client/api/received-message.ts';

test('shows what was received as users know it', () => {
  const properties = new Map([
    ['KEYS', 'a  b'],
    ['__SHARDINGKEY', 'k'],
    ['region', 'north'],
  ]);
  const message = new ReceivedMessage(
    {
      messageId: 'ID',
      topic: 'shop%orders',
      body: Buffer.from('ü'),
      tag: 'paid',
      properties,
      bornTimestampMs: 1_700_000_000_000,
      reconsumeTimes: 2,
      receipt: { brokerName: 'a', queueId: 3, queueOffset: 7n },
    },
    'shop',
  );
  expect(message).toMatchObject({ topic: 'orders', keys: ['a', 'b'], shardingKey: 'k', brokerName: 'a', queueId: 3 });
  expect(message.queueOffset).toBe(7n);
  expect(message.bornAt).toEqual(new Date(1_700_000_000_000));
  expect(message.text()).toBe('ü');
  expect(message.properties).toBe(properties);
  expect(inspect(message)).toMatch(/topic: 'orders',[\s\S]*messageId: 'ID',[\s\S]*keys: \[ 'a', 'b' \]/);
});
