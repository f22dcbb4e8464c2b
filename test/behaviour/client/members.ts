import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { everythingOf, type GroupMember, GroupMembers, type MemberOptions } from '../../support/group-members.ts';
import { type ClientSuite, withinMinute } from './client-suite.ts';

/** Members of a group that receive by pull agree who reads which queue. */
export function describeMembers(suite: ClientSuite): void {
  describe('members of a group that receive by pull', { concurrent: true }, () => {
    let members: GroupMembers;
    beforeAll(() => {
      members = new GroupMembers(suite.target.nameServer, suite.target.credentials);
    });
    afterAll(() => members?.stop());

    async function joined(topic: string, clientId: string, more: Partial<MemberOptions> = {}): Promise<GroupMember> {
      const member = members.start({ clientId: `${topic}-${clientId}`, group: `g-${topic}`, ...more });
      member.rebalancer.subscribe(everythingOf(topic));
      await members.until(() => member.queues.length > 0);
      return member;
    }

    const all = (topic: string, count: number): string[] =>
      Array.from({ length: count }, (_, queueId) => `${topic} ${suite.target.brokerName} ${queueId}`).sort();
    const counts = (...some: readonly GroupMember[]): string => some.map(({ queues }) => queues.length).join();

    test('share its queues as they come, leave and die', async () => {
      const topic = await suite.topic('members-shared', 6);
      const one = await joined(topic, 'c1');
      expect(one.queues).toEqual(all(topic, 6));
      const two = await joined(topic, 'c2');
      const three = await joined(topic, 'c3');
      await members.until(() => counts(one, two, three) === '2,2,2');
      expect([...one.queues, ...two.queues, ...three.queues].sort()).toEqual(all(topic, 6));
      await two.rebalancer.close();
      await members.until(() => counts(one, two, three) === '3,0,3');
      three.kill();
      await members.until(() => one.queues.length === 6);
      expect(one.log.troubles).toEqual([]);
    });

    test('read the retry topic of their group, which the broker makes when it hears of it', async () => {
      const one = await joined(await suite.topic('members-retried', 1), 'c1');
      await members.until(() => one.rebalancer.queues.some(({ topic }) => topic === '%RETRY%g-members-retried'));
    });

    test('hand over a locked queue only when its reader is done with it', async () => {
      const topic = await suite.topic('members-ordered', 2);
      let release = (): void => {};
      const done = new Promise<void>((resolve) => {
        release = resolve;
      });
      const one = await joined(topic, 'c1', { orderly: true, onGiven: () => done });
      expect(one.queues).toHaveLength(2);
      const two = members.start({ clientId: `${topic}-c2`, group: `g-${topic}`, orderly: true });
      two.rebalancer.subscribe(everythingOf(topic));
      await vi.waitUntil(() => one.queues.length === 1, withinMinute);
      await two.rebalancer.rebalance();
      expect(two.queues).toEqual([]);
      release();
      await members.until(() => two.queues.length === 1);
      expect([...one.queues, ...two.queues].sort()).toEqual(all(topic, 2));
    });

    test('follow the queues of a topic', async () => {
      const topic = await suite.topic('members-grown', 2);
      const one = await joined(topic, 'c1');
      await suite.topic(topic, 5);
      await one.routes.refresh();
      await members.until(() => one.queues.length === 5);
    });
  });
}
