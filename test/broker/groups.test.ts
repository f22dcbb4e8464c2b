import { beforeEach, describe, expect, it } from 'vitest';
import { Groups, type GroupsOptions, newGroup } from '../../src/broker/groups.ts';
import { StateLog } from '../../src/broker/state-log.ts';
import type { Json } from '../../src/remoting/json.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';

const { INVALID_PARAMETER, SUBSCRIPTION_GROUP_NOT_EXIST, SYSTEM_ERROR } = ResponseCode;

function create(changes: Partial<GroupsOptions> = {}): { groups: Groups; state: StateLog } {
  const groups = new Groups({ autoCreate: true, groupCountMax: 3, ...changes });
  return { groups, state: new StateLog([groups]) };
}

describe('the groups', () => {
  let groups: Groups;
  let state: StateLog;
  beforeEach(() => {
    ({ groups, state } = create());
  });

  it('are made by their first consumer, as RocketMQ makes them', async () => {
    expect(groups.get('shop')).toBeUndefined();
    const group = await groups.getOrCreate('shop', state);
    expect(group).toMatchObject({ name: 'shop', consumeEnable: true, retryQueueCount: 1, retryMaxTimes: 16 });
    expect(groups.get('shop')).toEqual(group);
  });

  it('are not made by consumers where that is off, but on purpose', async () => {
    ({ groups, state } = create({ autoCreate: false }));
    await expect(groups.getOrCreate('shop', state)).rejects.toMatchObject({ code: SUBSCRIPTION_GROUP_NOT_EXIST });
    await groups.put({ ...newGroup('shop'), retryMaxTimes: 3 }, state);
    expect((await groups.getOrCreate('shop', state)).retryMaxTimes).toBe(3);
  });

  it('are as many as may be; those that are there can still be changed', async () => {
    for (const name of ['a', 'b', 'c']) await groups.getOrCreate(name, state);
    await expect(groups.getOrCreate('d', state)).rejects.toMatchObject({
      code: SYSTEM_ERROR,
      message: 'there are 3 groups already: delete some',
    });
    await groups.put({ ...newGroup('a'), consumeEnable: false }, state);
    expect(groups.get('a')?.consumeEnable).toBe(false);
    await groups.delete('a', state);
    await groups.delete('a', state);
    await groups.getOrCreate('d', state);
    expect(Array.from(groups.all(), ({ name }) => name)).toEqual(['b', 'c', 'd']);
  });

  it.each(['x', 'x'.repeat(255), 'ns%group', 'a|b-c_d', '__proto__', 'constructor'])(
    'may have the name %s',
    async (name) => {
      await groups.getOrCreate(name, state);
      const restored = create().groups;
      restored.restore(JSON.parse(JSON.stringify(groups.snapshot())));
      expect([...restored.all()]).toEqual([newGroup(name)]);
    },
  );

  it.each(['', 'x'.repeat(256), 'a b', 'a.b', 'ä', 'a\n', 'a\u0000'])('may not have the name %j', async (name) => {
    await expect(groups.getOrCreate(name, state)).rejects.toMatchObject({ code: INVALID_PARAMETER });
    expect([...groups.all()]).toEqual([]);
  });

  it('may retry never, always, but not less than that', async () => {
    await groups.put({ ...newGroup('shop'), retryMaxTimes: 0 }, state);
    await groups.put({ ...newGroup('shop'), retryMaxTimes: -1 }, state);
    const less = groups.put({ ...newGroup('shop'), retryMaxTimes: -2 }, state);
    await expect(less).rejects.toMatchObject({ code: INVALID_PARAMETER });
    expect(groups.get('shop')?.retryMaxTimes).toBe(-1);
  });

  it('have 0 to 1,024 retry queues', async () => {
    for (const retryQueueCount of [0, 1_024]) await groups.put({ ...newGroup('shop'), retryQueueCount }, state);
    for (const retryQueueCount of [-1, 1_025, 2_000_000_000]) {
      const refused = groups.put({ ...newGroup('shop'), retryQueueCount }, state);
      await expect(refused).rejects.toMatchObject({ code: INVALID_PARAMETER });
    }
    expect(groups.get('shop')?.retryQueueCount).toBe(1_024);
  });

  it('are the same after a snapshot, with all of their settings', async () => {
    const group = {
      name: 'shop',
      consumeEnable: false,
      consumeFromMinEnable: false,
      consumeBroadcastEnable: false,
      consumeMessageOrderly: true,
      retryQueueCount: 4,
      retryMaxTimes: 2,
      notifyConsumerIdsChanged: false,
      attributes: { 'lite.bind.topic': 'orders' },
    };
    await groups.put({ ...newGroup('shop'), ...group }, state);
    const restored = create().groups;
    restored.restore(JSON.parse(JSON.stringify(groups.snapshot())));
    expect(restored.get('shop')).toMatchObject(group);
    expect(restored.get('shop')).toEqual(groups.get('shop'));
  });

  it('are the same after their changes once or twice, whatever they leave out', () => {
    const changes: Json[] = [{ put: { name: 'a', retryMaxTimes: 'many' } }, { put: { name: 'b' } }, { delete: 'b' }];
    for (const change of [...changes, ...changes]) groups.apply(change);
    expect([...groups.all()]).toEqual([newGroup('a')]);
  });

  it.each([null, 5, [], { put: { retryMaxTimes: 1 } }])('refuse the change %j', (change) => {
    expect(() => groups.apply(change as Json)).toThrow();
    expect([...groups.all()]).toEqual([]);
  });
});
