import { expect, test } from 'vitest';
import { shownProperties } from '../../src/client/shown-properties.ts';

test('receivers see the properties of the sender, and four of RocketMQ', () => {
  const own = { region: 'north', __proto: 'x' };
  const shown = { KEYS: 'k', TAGS: 't', UNIQ_KEY: 'u', __SHARDINGKEY: 's' };
  const hidden = { POP_CK: 'a plain receipt', __STARTDELIVERTIME: '1', INSTANCE_ID: 'x' };
  const stored = new Map(Object.entries({ ...own, ...shown, ...hidden }));
  expect({ ...shownProperties(stored) }).toEqual({ ...own, ...shown });
});

test('a property named __proto__ is one like any other', () => {
  const shown = shownProperties(new Map([['__proto__', 'x']]));
  expect(Object.entries(shown)).toEqual([['__proto__', 'x']]);
});
