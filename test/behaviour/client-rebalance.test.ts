import { afterAll, beforeAll, expect, test } from 'vitest';
import { everythingOf, type GroupMember, GroupMembers, type MemberOptions } from '../support/group-members.ts';
import { describeOnTargets, startTarget, type Target } from './target.ts';

describeOnTargets(
  'members of a group that receive by pull',
  (variant) => {
    let target: Target;
    let members: GroupMembers;

    beforeAll(async () => {
      target = await startTarget(variant);
      members = new GroupMembers(target.nameServer);
    });

    afterAll(async () => {
      await members?.stop();
      await target?.stop();
    });

    async function joined(topic: string, clientId: string, more: Partial<MemberOptions> = {}): Promise<GroupMember> {
      const member = members.start({ clientId, group: `g-${topic}`, ...more });
      member.rebalancer.subscribe(everythingOf(topic));
      await members.until(() => member.queues.length > 0);
      return member;
    }

    const all = (topic: string, count: number): string[] =>
      Array.from({ length: count }, (_, queueId) => `${topic} ${target.brokerName} ${queueId}`).sort();
    const counts = (...some: readonly GroupMember[]): string => some.map(({ queues }) => queues.length).join();

    test('share its queues as they come, leave and die', async () => {
      await target.createTopic('shared', { queueCount: 6 });
      const one = await joined('shared', 'c1');
      expect(one.queues).toEqual(all('shared', 6));
      const two = await joined('shared', 'c2');
      const three = await joined('shared', 'c3');
      await members.until(() => counts(one, two, three) === '2,2,2');
      expect([...one.queues, ...two.queues, ...three.queues].sort()).toEqual(all('shared', 6));
      await two.rebalancer.close();
      await members.until(() => counts(one, two, three) === '3,0,3');
      three.kill();
      await members.until(() => one.queues.length === 6);
      expect(one.log.troubles).toEqual([]);
    });

    test('read the retry topic of their group, which the broker makes when it hears of it', async () => {
      await target.createTopic('retried', { queueCount: 1 });
      const one = await joined('retried', 'c1');
      await members.until(() => one.rebalancer.queues.some(({ topic }) => topic === '%RETRY%g-retried'));
    });

    test('hand over a locked queue only when its reader is done with it', async () => {
      await target.createTopic('ordered', { queueCount: 2 });
      let release = (): void => {};
      const done = new Promise<void>((resolve) => {
        release = resolve;
      });
      const one = await joined('ordered', 'c1', { orderly: true, onGiven: () => done });
      expect(one.queues).toHaveLength(2);
      const two = members.start({ clientId: 'c2', group: 'g-ordered', orderly: true });
      two.rebalancer.subscribe(everythingOf('ordered'));
      await expect.poll(() => one.queues.length, { timeout: 10_000 }).toBe(1);
      await two.rebalancer.rebalance();
      expect(two.queues).toEqual([]);
      release();
      await members.until(() => two.queues.length === 1);
      expect([...one.queues, ...two.queues].sort()).toEqual(all('ordered', 2));
    });

    test('follow the queues of a topic', async () => {
      await target.createTopic('grown', { queueCount: 2 });
      const one = await joined('grown', 'c1');
      await target.createTopic('grown', { queueCount: 5 });
      await one.routes.refresh();
      await members.until(() => one.queues.length === 5);
    });
  },
  ({ accessControl }) => !accessControl,
);
