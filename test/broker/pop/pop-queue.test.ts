import { describe, expect, it } from 'vitest';
import { type Lease, PopQueue } from '../../../src/broker/pop/pop-queue.ts';

let lastId = 0;

function leaseOf(queue: PopQueue, runs: readonly number[], changes: Partial<Lease> = {}): Lease {
  lastId += 1;
  let openCount = 0;
  for (let at = 1; at < runs.length; at += 2) openCount += runs[at] ?? 0;
  return { id: lastId, queue, popTimeMs: 1, visibleAtMs: 10, reconsumeTimes: 0, runs, openCount, ...changes };
}

function newQueue() {
  const queue = new PopQueue({ group: 'g', topic: 't', queueId: 0 });
  const ended: Lease[] = [];
  const add = (runs: readonly number[], changes: Partial<Lease> = {}): Lease => {
    const lease = leaseOf(queue, runs, changes);
    queue.add(lease, (one) => ended.push(one));
    return lease;
  };
  return { queue, ended, add, end: (offset: number) => queue.end(offset, (one) => ended.push(one)) };
}

describe('PopQueue', () => {
  it('tells when a lease has nothing open any more', () => {
    const { queue, ended, add, end } = newQueue();
    const lease = add([5, 2]);
    expect(queue.count).toBe(2);
    end(5);
    end(5);
    end(99);
    expect(ended).toEqual([]);
    end(6);
    expect(ended).toEqual([lease]);
    expect(queue.count).toBe(0);
  });

  it('knows by which delivery a message was acknowledged', () => {
    const { queue, add, end } = newQueue();
    add([5, 1], { popTimeMs: 7 });
    end(5);
    expect(queue.wasAcked(5, 7)).toBe(true);
    expect(queue.wasAcked(5, 8)).toBe(false);
  });

  it('lets a later lease take over', () => {
    const { queue, ended, add } = newQueue();
    const first = add([5, 2]);
    const second = add([5, 1]);
    expect(queue.find(5)).toBe(second);
    expect(queue.find(6)).toBe(first);
    const third = add([6, 1]);
    expect(ended).toEqual([first]);
    expect(queue.count).toBe(2);
    expect([...queue.openLeases()]).toEqual([
      [second, [5, 1]],
      [third, [6, 1]],
    ]);
  });

  it('makes visible what is open of a lease, the lowest first', () => {
    const { queue, add, end } = newQueue();
    const later = add([8, 3]);
    const earlier = add([2, 1, 4, 1]);
    end(9);
    expect(queue.lowestVisible).toBe(Number.POSITIVE_INFINITY);
    expect(queue.isBlocked).toBe(true);
    queue.release(later);
    queue.release(earlier);
    expect(queue.isBlocked).toBe(false);
    expect(queue.visibleCount).toBe(4);
    expect(queue.lowestVisible).toBe(2);
    expect([1, 2, 3, 4].map(() => queue.takeVisible())).toEqual([2, 4, 8, 10]);
  });

  it('does not make visible what another lease has', () => {
    const { queue, add } = newQueue();
    const first = add([5, 2]);
    add([5, 1]);
    queue.release(first);
    expect(queue.visibleCount).toBe(1);
    expect(queue.takeVisible()).toBe(6);
  });

  it('lists what is invisible in order', () => {
    const { queue, add } = newQueue();
    add([8, 1, 3, 1], { visibleAtMs: 10 });
    add([5, 1], { visibleAtMs: 9 });
    expect(queue.invisibleOffsets(9)).toEqual([3, 8]);
    expect(queue.invisibleOffsets(8)).toEqual([3, 5, 8]);
  });
});
