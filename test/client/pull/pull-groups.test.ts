import { expect, test } from 'vitest';
import { type PullGroup, PullGroups } from '../../../src/client/pull/pull-groups.ts';

const member = (group: string): PullGroup => ({
  group,
  orderly: false,
  startTimestampMs: 0,
  progress: new Map(),
  membersChanged: () => {},
  reset: async () => {},
});

test('a group is found by its name until it has left', () => {
  const groups = new PullGroups();
  const [one, other] = [member('one'), member('other')];
  const removeOne = groups.add(one);
  groups.add(other);
  expect(groups.find('one')).toBe(one);
  expect(groups.find('other')).toBe(other);
  removeOne();
  expect(groups.find('one')).toBeUndefined();
  expect(groups.find('other')).toBe(other);
});

test('a group has one member here; the next may come when that has left, and stays when that leaves again', () => {
  const groups = new PullGroups();
  const removeFirst = groups.add(member('one'));
  expect(() => groups.add(member('one'))).toThrow(expect.objectContaining({ kind: 'invalid' }));
  removeFirst();
  const second = member('one');
  groups.add(second);
  removeFirst();
  expect(groups.find('one')).toBe(second);
});
