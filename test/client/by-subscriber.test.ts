import { expect, test } from 'vitest';
import { BySubscriber } from '../../src/client/by-subscriber.ts';

test('has one thing for each group and topic', () => {
  const things = new BySubscriber<number>();
  const [one, sameGroup, sameTopic] = [
    { group: 'g', topic: 't' },
    { group: 'g', topic: 'u' },
    { group: 'h', topic: 't' },
  ];
  expect(things.get(one)).toBeUndefined();
  expect(things.set(one, 1)).toBe(1);
  things.set(sameGroup, 2);
  expect([things.get({ ...one }), things.get(sameGroup), things.get(sameTopic)]).toEqual([1, 2, undefined]);
  things.set(one, 3);
  things.delete(sameGroup);
  things.delete(sameTopic);
  expect([things.get(one), things.get(sameGroup)]).toEqual([3, undefined]);
  things.delete(one);
  expect(things.get(one)).toBeUndefined();
});
