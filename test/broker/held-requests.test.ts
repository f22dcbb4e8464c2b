import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type HeldFor, type HeldRequest, HeldRequests } from '../../src/broker/held-requests.ts';

/** A request that says what happened to it. */
class Probe implements HeldRequest {
  readonly events: string[];
  readonly name: string;
  answers: boolean;

  constructor(events: string[], name: string, answers = false) {
    this.events = events;
    this.name = name;
    this.answers = answers;
  }

  tryAgain(): boolean {
    this.events.push(`${this.name} tried`);
    return this.answers;
  }

  giveUp(): void {
    this.events.push(`${this.name} given up`);
  }
}

describe('held requests', () => {
  let held: HeldRequests;
  let events: string[];
  beforeEach(() => {
    vi.useFakeTimers();
    held = new HeldRequests(3);
    events = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('end with their clients, and only theirs', async () => {
    let close = (): void => {};
    const client = { closed: new Promise<void>((resolve) => (close = resolve)) };
    const other = { closed: new Promise<void>(() => {}) };
    const probe = (name: string, whose: HeldFor): HeldRequest =>
      Object.assign(new Probe(events, name), { client: whose });
    held.hold(probe('one', client), ['a', 'b'], 100);
    held.hold(probe('of another', other), ['a'], 100);
    held.hold(probe('two', client), ['a'], 50);
    vi.advanceTimersByTime(50);
    close();
    await client.closed;
    expect(events).toEqual(['two given up', 'one given up']);
    expect(held.count).toBe(1);
    // One that is gone already waits for nothing.
    held.hold(probe('late', { closed: client.closed }), ['a'], 100);
    await client.closed;
    expect(events.at(-1)).toBe('late given up');
    vi.advanceTimersByTime(100);
    expect(held.count).toBe(0);
  });

  it('end on time, each by its own', () => {
    held.hold(new Probe(events, 'long'), ['a'], 200);
    held.hold(new Probe(events, 'short'), ['a'], 100);
    vi.advanceTimersByTime(99);
    expect(events).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(events).toEqual(['short given up']);
    vi.advanceTimersByTime(100);
    expect(events).toEqual(['short given up', 'long given up']);
    expect(held.count).toBe(0);
    held.wake('a');
    expect(events).toHaveLength(2);
  });

  it('are tried in the order in which they came, for their topics only, until they are answered', () => {
    const [first, second, third] = [new Probe(events, '1'), new Probe(events, '2', true), new Probe(events, '3')];
    held.hold(first, ['a'], 100);
    held.hold(second, ['b', 'a'], 100);
    held.hold(third, ['a', 'c'], 100);
    held.wake('nothing');
    expect(events).toEqual([]);
    const wakeCount = held.wakeCount;
    held.wake('a');
    expect(held.wakeCount).toBe(wakeCount + 1);
    expect(events).toEqual(['1 tried', '2 tried', '3 tried']);
    expect(held.count).toBe(2);
    held.wake('b');
    expect(events).toHaveLength(3);
    first.answers = true;
    held.wake('a');
    held.wake('a');
    held.wake('c');
    expect(events.slice(3)).toEqual(['1 tried', '3 tried', '3 tried', '3 tried']);
    vi.advanceTimersByTime(100);
    expect(events.slice(7)).toEqual(['3 given up']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are as many as may be, and one more when one has gone', () => {
    for (const name of ['1', '2', '3']) expect(held.hold(new Probe(events, name, true), [name], 100)).toBe(true);
    expect(held.hold(new Probe(events, '4'), ['a'], 100)).toBe(false);
    expect(held.count).toBe(3);
    held.wake('2');
    expect(held.hold(new Probe(events, '5'), ['a'], 100)).toBe(true);
    expect(held.hold(new Probe(events, '6'), ['a'], 100)).toBe(false);
    vi.advanceTimersByTime(100);
    expect(events).toEqual(['2 tried', '1 given up', '3 given up', '5 given up']);
  });

  it('may wake others, and hold anew, while they are tried', () => {
    const again: HeldRequest = {
      tryAgain: () => {
        events.push('again tried');
        held.hold(new Probe(events, 'anew'), ['a'], 100);
        held.wake('b');
        return true;
      },
      giveUp: () => events.push('again given up'),
    };
    held.hold(again, ['a'], 100);
    held.hold(new Probe(events, 'other', true), ['a', 'b'], 100);
    held.wake('a');
    expect(events).toEqual(['again tried', 'other tried']);
    expect(held.count).toBe(1);
  });

  it('are all given up at the end, once, and leave no timer', () => {
    held.hold(new Probe(events, '1'), ['a', 'b'], 100);
    held.hold(new Probe(events, '2'), ['b'], 200);
    held.close();
    expect(events).toEqual(['1 given up', '2 given up']);
    expect(held.count).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    held.close();
    expect(events).toHaveLength(2);
  });

  it('are held no more after the end: a request that was late is answered at once', () => {
    held.close();
    expect(held.hold(new Probe(events, 'late'), ['a'], 100)).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});
