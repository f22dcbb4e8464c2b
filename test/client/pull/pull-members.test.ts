import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { ConsumerOptions } from '../../../src/client/consumer.ts';
import { parseTagFilter, sqlFilter } from '../../../src/client/message-filter.ts';
import { PullMembers } from '../../../src/client/pull/pull-members.ts';
import { pullParts } from '../../support/pull-parts.ts';
import { consumerDefaults, startScriptedCluster } from '../../support/scripted-cluster.ts';

describe('PullMembers', () => {
  let members: PullMembers;

  beforeEach(async () => {
    const cluster = await startScriptedCluster();
    onTestFinished(() => cluster.stop());
    members = new PullMembers(pullParts(cluster));
  });

  const join = (changes: Partial<ConsumerOptions> = {}) => members.join({ ...consumerDefaults, ...changes });

  test('a client is a member of a group once, until the last of its consumers there leaves', () => {
    const { group } = consumerDefaults.subscriber;
    const [one, two] = [join(), join({ subscriber: { group, topic: 'other' } })];
    expect(two.member).toBe(one.member);
    expect(join({ subscriber: { group: 'another', topic: 'topic' } }).member).not.toBe(one.member);
    one.leave();
    expect(members.find(group)).toBe(one.member);
    two.leave();
    expect(members.find(group)).toBeUndefined();
    expect(join({ filter: parseTagFilter('a') }).member).not.toBe(one.member);
  });

  test.each<[Partial<ConsumerOptions>, RegExp]>([
    [{ filter: parseTagFilter('b') }, /with the filter a already/],
    [{ filter: sqlFilter('a') }, /with the filter a already/],
    [{ orderly: true, filter: parseTagFilter('a') }, /receives not in order|in order here already/],
  ])('a consumer that wants it otherwise is refused: %j', (changes, message) => {
    join({ filter: parseTagFilter('a') });
    expect(() => join(changes)).toThrow(message);
    join({ filter: parseTagFilter('a') });
  });
});
