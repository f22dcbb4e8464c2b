import { describe, expect, it } from 'vitest';
import { Groups, newGroup } from '../../../src/broker/groups.ts';
import { attemptIdLengthMax, readablePlace } from '../../../src/broker/pop/pop-place.ts';
import { StateLog } from '../../../src/broker/state-log.ts';
import { newTopic, Topics } from '../../../src/broker/topics.ts';

async function start(autoCreate = true) {
  const topics = new Topics({ autoCreate: false, topicCountMax: 100, clusterName: 'c', brokerName: 'b' });
  const groups = new Groups({ autoCreate, groupCountMax: 100 });
  const state = new StateLog([topics, groups]);
  await topics.put(newTopic('orders', 4), state);
  await topics.put({ ...newTopic('closed', 4), permission: 2 }, state);
  await groups.put({ ...newGroup('hungry'), consumeEnable: false }, state);
  return { topics, groups, state };
}

const wanted = { consumerGroup: 'eaters', topic: 'orders', queueId: 3 };

describe('readablePlace', () => {
  it('is what was asked for, without order unless that was asked for', async () => {
    const parts = await start();
    const place = { group: 'eaters', topic: 'orders', queueId: 3, order: false, attemptId: '' };
    expect(await readablePlace(wanted, parts)).toEqual(place);
    expect(parts.groups.get('eaters')).toBeDefined();
    const attemptId = 'a'.repeat(attemptIdLengthMax);
    expect(await readablePlace({ ...wanted, order: true, attemptId }, parts)).toEqual({
      ...place,
      order: true,
      attemptId,
    });
  });

  it.each([
    [17, 'no topic nowhere', { topic: 'nowhere' }],
    [16, 'may not read topic closed', { topic: 'closed' }],
    [29, 'queues 0 to 3', { queueId: 4 }],
    [29, 'at most 128', { attemptId: 'a'.repeat(attemptIdLengthMax + 1) }],
    [16, 'group hungry may not read', { consumerGroup: 'hungry' }],
  ])('is refused with %i: %s', async (code, message, changes) => {
    const error = await readablePlace({ ...wanted, ...changes }, await start()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('needs a group, where none may be made', async () => {
    await expect(readablePlace(wanted, await start(false))).rejects.toMatchObject({ code: 26 });
  });
});
