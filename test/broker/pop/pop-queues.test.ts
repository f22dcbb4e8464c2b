import { afterEach, describe, expect, it, vi } from 'vitest';
import { PopQueues } from '../../../src/broker/pop/pop-queues.ts';
import { recentAckCountMax } from '../../../src/broker/pop/recent-acks.ts';
import { StateLog } from '../../../src/broker/state-log.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const queue = { group: 'g', topic: 't', queueId: 0 };
const startMs = 1_000_000;

let running: PopQueues[] = [];

afterEach(() => {
  for (const pops of running) pops.close();
  running = [];
});

function start(changes: { readonly popInFlightCountMax?: number } = {}) {
  const clock = new VirtualClock(startMs);
  const pops = new PopQueues();
  const state = new StateLog([pops]);
  const woken: string[] = [];
  pops.start({
    options: { clock, popInFlightCountMax: 10, ...changes },
    state,
    held: { wake: (topic) => void woken.push(topic) },
  });
  running.push(pops);
  const pop = (offsets: readonly number[], durationMs = 1_000, name = queue): Promise<void> =>
    pops.pop(name, {
      popTimeMs: clock.now(),
      visibleAtMs: clock.now() + durationMs,
      offsets,
      reconsumeTimes: offsets.map(() => 0),
      attemptId: '',
    });
  return { clock, pops, state, woken, pop };
}

const delivery = { popTimeMs: startMs, invisibleDurationMs: 1_000 };

describe('an ack', () => {
  it('counts for each message of its delivery, until its time is over', async () => {
    const { pops, pop, clock } = start();
    await pop([1, 2, 3]);
    expect(await pops.ack(queue, delivery, [1, 2, 9])).toBe(2);
    await clock.advance(999);
    expect(await pops.ack(queue, delivery, [3])).toBe(1);
    expect(pops.find(queue)?.count).toBe(0);
  });

  it('counts for nothing at the end of that time, and later', async () => {
    const { pops, pop, clock } = start();
    await pop([1]);
    await clock.advance(1_000);
    expect(await pops.ack(queue, delivery, [1])).toBe(0);
    expect(pops.find(queue)?.visibleCount).toBe(1);
  });

  it.each([
    ['another group', { group: 'h' }, {}],
    ['another topic', { topic: 'u' }, {}],
    ['another queue', { queueId: 1 }, {}],
    ['an earlier time', {}, { popTimeMs: startMs - 1 }],
    ['a later time', {}, { popTimeMs: startMs + 1 }],
  ])('counts for nothing by the receipt of %s', async (_, name, times) => {
    const { pops, pop } = start();
    await pop([1]);
    await pop([1], 1_000, { ...queue, queueId: 2 });
    expect(await pops.ack({ ...queue, ...name }, { ...delivery, ...times }, [1])).toBe(0);
    expect(pops.find(queue)?.count).toBe(1);
  });

  it('counts again while its receipt lasts, and does nothing then', async () => {
    const { pops, pop, clock } = start();
    await pop([1]);
    await pops.ack(queue, delivery, [1]);
    await clock.advance(999);
    expect(await pops.ack(queue, delivery, [1])).toBe(1);
    await clock.advance(1);
    expect(await pops.ack(queue, delivery, [1])).toBe(0);
  });

  it(`counts again as long as it is one of the last ${recentAckCountMax} of its queue`, async () => {
    const { pops, pop } = start();
    const offsets = Array.from({ length: recentAckCountMax + 1 }, (_, offset) => offset);
    await pop(offsets);
    expect(await pops.ack(queue, delivery, offsets)).toBe(offsets.length);
    expect(await pops.ack(queue, delivery, [0])).toBe(0);
    expect(await pops.ack(queue, delivery, [1])).toBe(1);
  });
});

describe('a change of the invisible time', () => {
  it('replaces the receipt', async () => {
    const { pops, pop, clock } = start();
    await pop([1]);
    await clock.advance(500);
    const changed = await pops.change(queue, 1, delivery, 2_000);
    expect(changed).toEqual({ popTimeMs: startMs + 500, invisibleDurationMs: 2_000 });
    expect(await pops.ack(queue, delivery, [1])).toBe(0);
    await expect(pops.change(queue, 1, delivery, 2_000)).rejects.toThrow('another receipt replaced it');
    await clock.advance(1_999);
    expect(pops.find(queue)?.visibleCount).toBe(0);
    expect(await pops.ack(queue, changed, [1])).toBe(1);
  });

  it('also in the same millisecond', async () => {
    const { pops, pop } = start();
    await pop([1]);
    const changed = await pops.change(queue, 1, delivery, 1_000);
    expect(changed.popTimeMs).toBeGreaterThan(startMs);
    expect(await pops.ack(queue, delivery, [1])).toBe(0);
    expect(await pops.ack(queue, changed, [1])).toBe(1);
  });

  it.each([0, -1, -5_000])('of %i ms makes the message visible at once', async (durationMs) => {
    const { pops, pop, woken } = start();
    await pop([1, 2]);
    const changed = await pops.change(queue, 2, delivery, durationMs);
    expect(changed.invisibleDurationMs).toBe(0);
    expect(pops.find(queue)?.lowestVisible).toBe(2);
    expect(woken).toEqual(['t']);
    expect(await pops.ack(queue, changed, [2])).toBe(0);
  });

  it('is refused for what nobody popped, what is acknowledged and what is visible', async () => {
    const { pops, pop, clock } = start();
    const refused = expect.objectContaining({ code: ResponseCode.NO_MESSAGE });
    await expect(pops.change(queue, 1, delivery, 1_000)).rejects.toEqual(refused);
    await pop([1, 2]);
    await pops.ack(queue, delivery, [1]);
    await expect(pops.change(queue, 1, delivery, 1_000)).rejects.toEqual(refused);
    await clock.advance(1_000);
    await expect(pops.change(queue, 2, delivery, 1_000)).rejects.toEqual(refused);
  });
});

describe('time', () => {
  it('makes messages visible each at its own time, and wakes those that wait for their topic', async () => {
    const { pops, pop, clock, woken } = start();
    await pop([1], 2_000);
    await pop([5], 1_000, { ...queue, topic: 'u' });
    await pop([2], 1_500);
    await clock.advance(999);
    expect(woken).toEqual([]);
    await clock.advance(1);
    expect(woken).toEqual(['u']);
    await clock.advance(500);
    expect(woken).toEqual(['u', 't']);
    expect(pops.find(queue)).toMatchObject({ visibleCount: 1, lowestVisible: 2 });
    await clock.advance(500);
    expect(woken).toEqual(['u', 't', 't']);
  });

  it('wakes nobody for what was acknowledged', async () => {
    const { pops, pop, clock, woken } = start();
    await pop([1]);
    await pops.ack(queue, delivery, [1]);
    await clock.advance(10_000);
    expect(woken).toEqual([]);
  });

  it('stands still for a part that is closed', async () => {
    const { pops, pop, clock, woken } = start();
    await pop([1]);
    pops.close();
    await clock.advance(10_000);
    expect(woken).toEqual([]);
  });

  it('needs no room for what was acknowledged long before it', async () => {
    const { pops, clock } = start();
    for (let offset = 0; offset < 20_000; offset += 1) {
      const popTimeMs = clock.now() + offset;
      const popped = { offsets: [offset], reconsumeTimes: [0], attemptId: '' };
      await pops.pop(queue, { ...popped, popTimeMs, visibleAtMs: popTimeMs + 86_400_000 });
      await pops.ack(queue, { popTimeMs, invisibleDurationMs: 86_400_000 }, [offset]);
    }
    expect(pops.spareEndCount).toBeLessThanOrEqual(1_024);
  });
});

describe('those that wait for an ack', () => {
  it('of an ordered queue are woken by the last one', async () => {
    const { pops, pop, woken } = start();
    await pop([1, 2]);
    const waiting = pops.find(queue);
    if (waiting === undefined) throw new Error('nothing popped');
    waiting.waitedFor = 'order';
    await pops.ack(queue, delivery, [2]);
    expect(woken).toEqual([]);
    await pops.ack(queue, delivery, [1]);
    expect(woken).toEqual(['t']);
    await pop([3]);
    await pops.ack(queue, delivery, [3]);
    expect(woken).toEqual(['t']);
  });

  it('of a full queue are woken by the first one', async () => {
    const { pops, pop, woken } = start();
    await pop([1, 2]);
    const waiting = pops.find(queue);
    if (waiting === undefined) throw new Error('nothing popped');
    waiting.waitedFor = 'room';
    await pops.ack(queue, delivery, [2]);
    expect(woken).toEqual(['t']);
  });
});

describe('what is forgotten', () => {
  const others = [
    { ...queue, group: 'h' },
    { ...queue, topic: 'u' },
    { ...queue, queueId: 1 },
  ];

  it.each([
    ['a queue', (pops: PopQueues) => pops.clear(queue), [1, 1, 1]],
    ['a group', (pops: PopQueues, state: StateLog) => pops.forget({ group: 'g' }, state), [1, 0, 0]],
    ['a topic', (pops: PopQueues, state: StateLog) => pops.forget({ topic: 't' }, state), [0, 1, 0]],
  ])('is all of %s and nothing else', async (_, forget, left) => {
    const { pops, pop, state, clock, woken } = start();
    for (const name of [queue, ...others]) await pop([1], 1_000, name);
    await forget(pops, state);
    expect(pops.find(queue)?.count ?? 0).toBe(0);
    expect(others.map((name) => pops.find(name)?.count ?? 0)).toEqual(left);
    expect(await pops.ack(queue, delivery, [1])).toBe(0);
    await clock.advance(1_000);
    expect(pops.find(queue)?.visibleCount ?? 0).toBe(0);
    expect(new Set(woken).size).toBe(new Set(others.filter((_, at) => left[at] === 1).map(({ topic }) => topic)).size);
  });

  it('does no harm where nothing is', async () => {
    const { pops, state } = start();
    await pops.clear(queue);
    await pops.forget({ group: 'g' }, state);
    await pops.forget({ topic: 't' }, state);
    expect(pops.snapshot()).toEqual([]);
  });
});

describe('a snapshot', () => {
  it('brings everything back that is in flight, and can be applied twice', async () => {
    const { pops, pop, clock } = start();
    await pop([1, 2, 3]);
    await pops.ack(queue, delivery, [2]);
    await pops.change(queue, 3, delivery, 5_000);
    await pop([7], 2_000, { ...queue, group: 'h', queueId: 5 });
    const snapshot = JSON.parse(JSON.stringify(pops.snapshot()));
    const copy = new PopQueues();
    copy.restore(snapshot);
    expect(copy.snapshot()).toEqual(snapshot);
    copy.restore(snapshot);
    expect(copy.snapshot()).toEqual(snapshot);
    expect(copy.inFlightCount('g', 't')).toBe(2);
    const state = new StateLog([copy]);
    copy.start({ options: { clock, popInFlightCountMax: 10 }, state, held: { wake: () => {} } });
    running.push(copy);
    await clock.advance(1_000);
    expect(copy.find(queue)).toMatchObject({ count: 2, visibleCount: 1, lowestVisible: 1 });
  });

  it('is refused with what makes no sense, and changes nothing by it', () => {
    const copy = new PopQueues();
    expect(() => copy.apply(['leased', 'g', 't', 0, 1, 2, 0, ['x']])).toThrow('makes no sense');
    expect(copy.snapshot()).toEqual([]);
  });
});

it('sets no timer when it is closed, also for what is still on its way', async () => {
  const { pops, pop, clock } = start();
  pops.close();
  const at = vi.spyOn(clock, 'at');
  await pop([1]);
  pops.makeVisible();
  expect(at).not.toHaveBeenCalled();
});

it('does nothing that must be stored before it was started', async () => {
  await expect(new PopQueues().clear(queue)).rejects.toThrow('not started');
});
