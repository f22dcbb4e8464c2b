import { expect, test } from 'vitest';
import { QuietGroups } from '../../../src/broker/pop/quiet-groups.ts';

test('groups are quiet until something comes', () => {
  const quiet = new QuietGroups();
  const one = { group: 'g', topic: 't' };
  const other = { group: 'g', topic: 'u' };
  expect(quiet.has(1, one)).toBe(false);
  quiet.add(1, one);
  quiet.add(1, other);
  expect([quiet.has(1, one), quiet.has(1, other), quiet.has(1, { ...one, group: 'h' })]).toEqual([true, true, false]);
  expect(quiet.has(2, one)).toBe(false);
  quiet.add(2, one);
  expect([quiet.has(2, one), quiet.has(2, other), quiet.has(1, other)]).toEqual([true, false, false]);
});
