import { expect, test } from 'vitest';
import { type DraftSource, toDraft } from '../../src/sdk/message.ts';
import { MessageProperties } from '../../src/sdk/message-properties.ts';

const draftOf = (source: Partial<DraftSource>) =>
  toDraft({ kind: 'normal', body: '', tag: '', properties: null, ...source });

test.each([
  ['text', 'text'],
  [{ a: [1] }, '{"a":[1]}'],
  [null, 'null'],
  [7, '7'],
  [undefined, ''],
])('the body %j is sent as %j', (body, sent) => {
  expect(draftOf({ body }).body).toBe(sent);
});

test('bytes are sent as they are', () => {
  const body = Buffer.from([0, 255]);
  expect(draftOf({ body }).body).toBe(body);
});

test('what JSON cannot say is refused', () => {
  const body: Record<string, unknown> = {};
  body['itself'] = body;
  expect(() => draftOf({ body })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

test('properties are chained, and texts whatever they were', () => {
  const properties = new MessageProperties()
    .putProperty('count', 7)
    .messageKey('key')
    .shardingKey('shard')
    .startDeliverTime(1_000)
    .transCheckImmunityTime(30);
  expect(properties).toEqual({
    properties: { count: '7' },
    message_key: 'key',
    sharding_key: 'shard',
    start_deliver_time: 1_000,
    trans_check_immunity_time: 30,
  });
  expect(draftOf({ properties })).toMatchObject({
    properties: { count: '7' },
    messageKey: 'key',
    shardingKey: 'shard',
    deliverTimestampMs: 1_000n,
    checkImmunitySeconds: 30,
  });
});

test('what a call says wins over the properties', () => {
  const properties = new MessageProperties().shardingKey('theirs').startDeliverTime(1).transCheckImmunityTime(1);
  const own = { shardingKey: 'own', delay: { startDeliverTime: 2, delayTimeLevel: 3 }, checkImmunitySeconds: 4 };
  expect(draftOf({ properties, ...own })).toMatchObject({
    shardingKey: 'own',
    deliverTimestampMs: 2n,
    delayLevel: 3n,
    checkImmunitySeconds: 4,
  });
});

test.each([0.5, Number.NaN, Number.POSITIVE_INFINITY])('%d is no delay level', (delayTimeLevel) => {
  expect(() => draftOf({ delay: { delayTimeLevel } })).toThrow(/delayTimeLevel is .* whole number/);
});
