import { beforeEach, describe, expect, it } from 'vitest';
import { StateLog } from '../../src/broker/state-log.ts';
import { newTopic, queueCountMax, Topics, type TopicsOptions } from '../../src/broker/topics.ts';
import type { Json } from '../../src/remoting/json.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';

const options: TopicsOptions = { autoCreate: true, topicCountMax: 20, clusterName: 'cluster', brokerName: 'broker' };
const { INVALID_PARAMETER, NO_PERMISSION, SYSTEM_ERROR, TOPIC_NOT_EXIST } = ResponseCode;

function create(changes: Partial<TopicsOptions> = {}): { topics: Topics; state: StateLog } {
  const topics = new Topics({ ...options, ...changes });
  return { topics, state: new StateLog([topics]) };
}

/** Only those that somebody made. */
function made(topics: Topics): string[] {
  return Array.from(topics.all(), ({ name }) => name).filter((name) => !topics.isSystem(name));
}

describe('the topics', () => {
  let topics: Topics;
  let state: StateLog;
  beforeEach(() => {
    ({ topics, state } = create());
  });

  it('have those of the system from the start', () => {
    for (const name of ['TBW102', 'SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC', 'cluster', 'broker']) {
      expect(topics.get(name)?.name).toBe(name);
      expect(topics.isSystem(name)).toBe(true);
    }
    expect(topics.get('TBW102')?.permission).toBe(7);
    expect(topics.get('cluster_REPLY_TOPIC')).toBeDefined();
    expect(made(topics)).toEqual([]);
    expect(topics.snapshot()).toEqual([]);
  });

  it('have no TBW102 where topics are not made by messages: clients would send to it in vain', () => {
    expect(create({ autoCreate: false }).topics.get('TBW102')).toBeUndefined();
  });

  it.each([
    [4, 4],
    [8, 8],
    [9, 8],
    [1_000_000, 8],
    [1, 1],
    [0, 1],
    [-5, 1],
  ])('are made by a first message that wants %i queues with %i', async (wanted, queueCount) => {
    const topic = await topics.getOrCreate('orders', wanted, state);
    expect(topic).toEqual(newTopic('orders', queueCount));
    expect(topics.get('orders')).toBe(topics.require('orders'));
    expect((await topics.getOrCreate('orders', 3, state)).writeQueueCount).toBe(queueCount);
  });

  it('are not made by messages where that is off, but on purpose', async () => {
    ({ topics, state } = create({ autoCreate: false }));
    await expect(topics.getOrCreate('orders', 4, state)).rejects.toMatchObject({ code: TOPIC_NOT_EXIST });
    await topics.put(newTopic('orders', 3), state);
    expect((await topics.getOrCreate('orders', 4, state)).readQueueCount).toBe(3);
  });

  it('name the one that is not there, shortened', () => {
    expect(() => topics.require('nothing')).toThrow('there is no topic nothing: create it, or send to it first');
    expect(() => topics.require('x'.repeat(300))).toThrow(`there is no topic ${'x'.repeat(200)}:`);
  });

  it.each(['x', 'x'.repeat(127), '%RETRY%group', 'a|b-c_d%e', '__proto__', 'constructor', 'toString'])(
    'may have the name %s',
    async (name) => {
      await topics.getOrCreate(name, 4, state);
      expect(made(topics)).toEqual([name]);
      const restored = create().topics;
      restored.restore(JSON.parse(JSON.stringify(topics.snapshot())));
      expect(restored.get(name)).toEqual(newTopic(name, 4));
      await topics.delete(name, state);
      expect(topics.get(name)).toBeUndefined();
    },
  );

  it.each(['', 'x'.repeat(128), 'a.b', 'a b', 'ä', 'a\u0000', 'a/b', '../../etc', 'a\n'])(
    'may not have the name %j',
    async (name) => {
      await expect(topics.getOrCreate(name, 4, state)).rejects.toMatchObject({ code: INVALID_PARAMETER });
      await expect(topics.put(newTopic(name, 4), state)).rejects.toMatchObject({ code: INVALID_PARAMETER });
      expect(made(topics)).toEqual([]);
    },
  );

  it('have 1 to 1,024 queues', async () => {
    await topics.put(newTopic('orders', 1), state);
    await topics.put(newTopic('orders', queueCountMax), state);
    for (const count of [0, -1, queueCountMax + 1]) {
      const { readQueueCount, writeQueueCount } = newTopic('orders', count);
      const good = newTopic('orders', 4);
      for (const bad of [
        { ...good, readQueueCount },
        { ...good, writeQueueCount },
      ]) {
        await expect(topics.put(bad, state)).rejects.toMatchObject({ code: INVALID_PARAMETER });
      }
    }
    expect(topics.get('orders')?.readQueueCount).toBe(queueCountMax);
  });

  it('cannot be changed or deleted where they are the system’s', async () => {
    for (const name of ['TBW102', 'SCHEDULE_TOPIC_XXXX', 'broker']) {
      await expect(topics.put(newTopic(name, 1), state)).rejects.toMatchObject({ code: NO_PERMISSION });
      await expect(topics.delete(name, state)).rejects.toMatchObject({ code: NO_PERMISSION });
    }
    expect(topics.get('TBW102')?.readQueueCount).toBe(8);
  });

  it('are as many as may be; those that are there can still be changed', async () => {
    const own = [...topics.all()].length;
    for (let index = own; index < 20; index += 1) await topics.getOrCreate(`topic${index}`, 1, state);
    await expect(topics.getOrCreate('more', 1, state)).rejects.toMatchObject({
      code: SYSTEM_ERROR,
      message: 'there are 20 topics already: delete some',
    });
    await topics.put(newTopic('topic19', 5), state);
    await topics.delete('topic19', state);
    await topics.getOrCreate('more', 1, state);
    expect([...topics.all()]).toHaveLength(20);
  });

  it('are not to be used by a second message before they are stored for the first', async () => {
    const order: string[] = [];
    const first = topics.getOrCreate('orders', 2, state).then(() => order.push('first'));
    expect(topics.get('orders')).toBeDefined();
    expect(topics.getStored('orders')).toBeUndefined();
    const second = topics.getOrCreate('orders', 5, state).then(({ readQueueCount }) => {
      expect(readQueueCount).toBe(2);
      order.push('second');
    });
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
    expect(topics.getStored('orders')?.readQueueCount).toBe(2);
    await expect(topics.getOrCreate('a b', 2, state)).rejects.toThrow();
    expect(topics.getStored('a b')).toBeUndefined();
  });

  it('are ensured only where they are not there', async () => {
    await topics.ensure(newTopic('%DLQ%group', 1), state);
    await topics.ensure(newTopic('%DLQ%group', 9), state);
    expect(topics.get('%DLQ%group')?.readQueueCount).toBe(1);
  });

  it('are the same after a snapshot, with all of their settings', async () => {
    const topic = {
      ...newTopic('orders', 4),
      permission: 4,
      sysFlag: 1,
      order: true,
      attributes: { 'message.type': 'FIFO' },
    };
    await topics.put(topic, state);
    const restored = create().topics;
    restored.restore(JSON.parse(JSON.stringify(topics.snapshot())));
    expect(restored.get('orders')).toEqual(topic);
    expect([...restored.all()]).toEqual([...topics.all()]);
  });

  it('are the same after their changes once or twice', () => {
    const changes: Json[] = [
      { put: { name: 'a', readQueueCount: 1, writeQueueCount: 2 } },
      { put: { name: 'b', readQueueCount: 1, writeQueueCount: 1 } },
      { delete: 'b' },
    ];
    for (const change of [...changes, ...changes]) topics.apply(change);
    expect(made(topics)).toEqual(['a']);
    expect(topics.get('a')).toEqual({ ...newTopic('a', 1), writeQueueCount: 2 });
  });

  it.each([null, 5, [], { put: { name: 'a' } }, { put: { name: 5, readQueueCount: 1, writeQueueCount: 1 } }])(
    'refuse the change %j',
    (change) => {
      expect(() => topics.apply(change as Json)).toThrow();
      expect(made(topics)).toEqual([]);
    },
  );
});
