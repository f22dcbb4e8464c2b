import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Command } from '../../src/remoting/command.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { InFlightRequests } from '../../src/remoting/in-flight-requests.ts';
import { soon } from '../support/connected-channel.ts';
import { blankCommand } from '../support/loopback-server.ts';

const address = '127.0.0.1:1';
const reply = (opaque: number) => ({ ...blankCommand, opaque, flag: 1 });

/** A table, a way to ask that gives a promise, and the opaques that were written. */
function create(countMax = 10, onIdle?: () => void) {
  const written: number[] = [];
  const requests = new InFlightRequests(address, countMax, onIdle);
  const write = (opaque: number): number => written.push(opaque);
  const request = (deadline = soon(), writing: (opaque: number) => void = write): Promise<Command> =>
    new Promise((resolve, reject) => requests.request(writing, deadline, { replied: resolve, failed: reject }));
  return { requests, written, request };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('requests in flight', () => {
  it('get the reply that carries their opaque, in any order', async () => {
    const { requests, written, request } = create();
    const [first, second] = [request(), request()];
    expect(written).toEqual([1, 2]);
    expect(requests.count).toBe(2);
    requests.take(reply(2));
    requests.take(reply(1));
    expect((await second).opaque).toBe(2);
    expect((await first).opaque).toBe(1);
    expect(requests.count).toBe(0);
    expect(requests.droppedReplyCount).toBe(0);
  });

  it('drop and count replies that nobody waits for', async () => {
    const { requests, request } = create();
    const first = request();
    requests.take(reply(77));
    requests.take(reply(1));
    requests.take(reply(1));
    await first;
    expect(requests.droppedReplyCount).toBe(2);
  });

  it('are as many as may be; one more is not written', async () => {
    const { requests, written, request } = create(2);
    const first = request();
    void request().catch(() => {});
    await expect(request()).rejects.toMatchObject({ kind: 'overloaded', address });
    expect(written).toEqual([1, 2]);
    requests.take(reply(1));
    await first;
    const third = request();
    requests.take(reply(3));
    await third;
    requests.rejectAll(new RemotingError('closed', 'the end'));
  });

  it('end with their deadline, with an outcome that nobody knows, and their reply is then dropped', async () => {
    const { requests, request } = create();
    const late = request(Deadline.after(5));
    await expect(late).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: true, address });
    expect(requests.count).toBe(0);
    requests.take(reply(1));
    expect(requests.droppedReplyCount).toBe(1);
  });

  it('read what has arrived before they give up', async () => {
    const { requests, request } = create();
    const answered = request(Deadline.after(1));
    const busyUntilMs = performance.now() + 10;
    while (performance.now() < busyUntilMs);
    setImmediate(() => requests.take(reply(1)));
    expect((await answered).opaque).toBe(1);
  });

  it('end when their caller gives up', async () => {
    const { requests, request } = create();
    const caller = new AbortController();
    const given = request(Deadline.after(10_000, caller.signal));
    caller.abort();
    await expect(given).rejects.toMatchObject({ kind: 'cancelled', outcomeUnknown: true });
    expect(requests.count).toBe(0);
  });

  it('are not written after their deadline, nor kept where writing fails', async () => {
    const { requests, written, request } = create();
    const over = Deadline.after(0);
    await nextTurn();
    await expect(request(over)).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: false });
    expect(written).toEqual([]);
    const fail = (): never => {
      throw new RemotingError('malformed', 'too large');
    };
    await expect(request(soon(), fail)).rejects.toThrow('too large');
    expect(requests.count).toBe(0);
  });

  it('all fail with the connection, for its reason', async () => {
    const { requests, request } = create();
    const all = [request(), request()];
    const reason = new RemotingError('closed', 'the cable was cut', { address });
    requests.rejectAll(reason);
    for (const result of await Promise.allSettled(all)) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { kind: 'closed', message: 'the cable was cut', outcomeUnknown: true, cause: reason },
      });
    }
    expect(requests.count).toBe(0);
  });

  it('end each at its own deadline, whatever the order of those, by one timer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { requests, request } = create();
    const ends: number[] = [];
    const startMs = performance.now();
    const ask = (durationMs: number): Promise<void> =>
      request(Deadline.after(durationMs)).then(
        () => {},
        () => void ends.push(performance.now() - startMs),
      );
    const all = [300, 100, 200, 100, 5_000].map(ask);
    expect(vi.getTimerCount()).toBe(1);
    for (let passedMs = 0; passedMs < 300; passedMs += 50) {
      vi.advanceTimersByTime(50);
      await nextTurn();
    }
    await Promise.all(all.slice(0, 4));
    expect(ends).toEqual([100, 100, 200, 300]);
    requests.take(reply(5));
    await Promise.all(all);
    vi.advanceTimersByTime(5_000);
    await nextTurn();
    expect(vi.getTimerCount()).toBe(0);
    // A table that was empty for long watches again.
    const late = ask(100);
    vi.advanceTimersByTime(100);
    await late;
    expect(requests.count).toBe(0);
  });

  it('say when the last one has its end, whatever that is', async () => {
    let idleCount = 0;
    const { requests, request } = create(10, () => {
      idleCount += 1;
    });
    const caller = new AbortController();
    const all = [request(), request(Deadline.after(10_000, caller.signal))];
    requests.take(reply(1));
    expect(idleCount).toBe(0);
    caller.abort();
    expect(idleCount).toBe(1);
    await Promise.allSettled([...all, request(Deadline.after(1))]);
    expect(idleCount).toBe(2);
  });
});
