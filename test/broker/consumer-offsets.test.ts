import { beforeEach, describe, expect, it } from 'vitest';
import { ConsumerOffsets } from '../../src/broker/consumer-offsets.ts';
import { StateLog } from '../../src/broker/state-log.ts';

const queue = { group: 'group', topic: 'topic', queueId: 0 };

describe('the offsets of consumers', () => {
  let offsets: ConsumerOffsets;
  let state: StateLog;
  beforeEach(() => {
    offsets = new ConsumerOffsets();
    state = new StateLog([offsets]);
  });

  it('are kept by group, topic and queue', async () => {
    await offsets.set(queue, 5, state);
    await offsets.set({ ...queue, queueId: 1 }, 6, state);
    await offsets.set({ ...queue, topic: 'other' }, 7, state);
    await offsets.set({ ...queue, group: 'other' }, 0, state);
    expect(offsets.get(queue)).toBe(5);
    expect(offsets.get({ ...queue, queueId: 1 })).toBe(6);
    expect(offsets.get({ ...queue, queueId: 2 })).toBeUndefined();
    expect(offsets.get({ ...queue, group: 'nobody' })).toBeUndefined();
    expect([...offsets.topicsOf('group')]).toEqual(['topic', 'other']);
    expect([...offsets.topicsOf('nobody')]).toEqual([]);
    expect(offsets.groupsOf('topic')).toEqual(['group', 'other']);
    expect([...offsets.all()]).toHaveLength(4);
  });

  it('may go back, as after a reset', async () => {
    await offsets.set(queue, 5, state);
    await offsets.set(queue, 2, state);
    expect(offsets.get(queue)).toBe(2);
  });

  it('are kept under names that every object has', async () => {
    const hostile = { group: '__proto__', topic: 'constructor', queueId: 0 };
    expect(offsets.get(hostile)).toBeUndefined();
    await offsets.set(hostile, 1, state);
    const again = new ConsumerOffsets();
    again.restore(JSON.parse(JSON.stringify(offsets.snapshot())));
    expect([...again.all()]).toEqual([{ ...hostile, offset: 1 }]);
  });

  it('are the same after a snapshot, and after their changes once or twice', async () => {
    await offsets.set(queue, 5, state);
    await offsets.set({ ...queue, queueId: 7 }, 6, state);
    const restored = new ConsumerOffsets();
    restored.restore(offsets.snapshot());
    expect([...restored.all()]).toEqual([...offsets.all()]);
    const changes = [['group', 'topic', 0, 5], ['group', 'topic', 0, 9], { topic: 'gone' }, { group: 'gone' }] as const;
    const once = new ConsumerOffsets();
    const twice = new ConsumerOffsets();
    for (const change of changes) once.apply(change);
    for (const change of [...changes, ...changes]) twice.apply(change);
    expect([...twice.all()]).toEqual([...once.all()]);
  });

  it.each([null, 1, 'text', [], ['group'], ['group', 'topic', 0], ['group', 'topic', 0, '5'], [1, 'topic', 0, 5]])(
    'refuse the change %j',
    (change) => {
      expect(() => offsets.apply(change)).toThrow();
      expect([...offsets.all()]).toEqual([]);
    },
  );

  it('are forgotten with their group, or with their topic, and resets too', async () => {
    const other = { group: 'other', topic: 'other', queueId: 0 };
    const mixed = { group: 'group', topic: 'other', queueId: 0 };
    for (const one of [queue, other, mixed]) await offsets.reset(one, 3, state);
    await offsets.forget({ topic: 'topic' }, state);
    expect(offsets.get(queue)).toBeUndefined();
    expect(offsets.pendingReset(queue)).toBeUndefined();
    expect(offsets.pendingReset(mixed)).toBe(3);
    await offsets.forget({ group: 'group' }, state);
    expect([...offsets.all()]).toEqual([{ ...other, offset: 3 }]);
    expect(offsets.pendingReset(mixed)).toBeUndefined();
    expect(offsets.pendingReset(other)).toBe(3);
    expect(offsets.groupsOf('topic')).toEqual([]);
  });

  it('tell to start again, and store nothing', () => {
    offsets.startAgain(queue);
    expect(offsets.pendingReset(queue)).toBe(0);
    expect(offsets.get(queue)).toBeUndefined();
  });

  it('tell a reset until it was heard of', async () => {
    await offsets.set(queue, 5, state);
    await offsets.reset(queue, 0, state);
    expect(offsets.get(queue)).toBe(0);
    expect(offsets.pendingReset(queue)).toBe(0);
    expect(offsets.pendingReset({ ...queue, queueId: 1 })).toBeUndefined();
    offsets.endReset(queue);
    expect(offsets.pendingReset(queue)).toBeUndefined();
    expect(offsets.get(queue)).toBe(0);
    await offsets.reset(queue, 0, state);
    expect(offsets.pendingReset(queue)).toBe(0);
  });
});
