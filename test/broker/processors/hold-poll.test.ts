import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { HeldRequests } from '../../../src/broker/held-requests.ts';
import { holdPoll, type Poll } from '../../../src/broker/processors/hold-poll.ts';
import type { Answer } from '../../../src/remoting/command.ts';
import { memoryConnection } from '../../support/memory-connection.ts';

const place = { group: 'g', topic: 't', queueId: -1, order: false, attemptId: '' };

function start(countMax = 10) {
  const held = new HeldRequests(countMax);
  const found: (Answer | Promise<Answer> | undefined)[] = [];
  let lookCount = 0;
  const poll: Poll = {
    place,
    durationMs: 20_000,
    look: () => {
      lookCount += 1;
      return found.shift();
    },
    nothing: () => ({ code: 210 }),
    full: () => ({ code: 209 }),
  };
  return { held, found, poll, looks: () => lookCount };
}

describe('holdPoll', () => {
  test('looks again when it is woken, until there is something', async () => {
    const { held, found, poll, looks } = start();
    const answer = holdPoll(poll, memoryConnection().connection, { held });
    held.wake('u');
    expect(looks()).toBe(0);
    held.wake('t');
    expect([looks(), held.count]).toEqual([1, 1]);
    found.push(Promise.resolve({ code: 0 }));
    held.wake('t');
    expect(await answer).toEqual({ code: 0 });
    expect(held.count).toBe(0);
  });

  test('fails as what it found fails, and as looking fails', async () => {
    const { held, found, poll } = start();
    const first = holdPoll(poll, memoryConnection().connection, { held });
    found.push(Promise.reject(new Error('not stored')));
    held.wake('t');
    await expect(first).rejects.toThrow('not stored');
    const look = (): undefined => {
      throw new Error('a mistake');
    };
    const second = holdPoll({ ...poll, look }, memoryConnection().connection, { held });
    held.wake('t');
    await expect(second).rejects.toThrow('a mistake');
    expect(held.count).toBe(0);
  });

  test('ends on time, or when the engine ends', async () => {
    const { held, poll } = start();
    const startedMs = performance.now();
    const answer = await holdPoll({ ...poll, durationMs: 50 }, memoryConnection().connection, { held });
    expect(answer).toEqual({ code: 210 });
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(49);
    const other = holdPoll(poll, memoryConnection().connection, { held });
    held.close();
    expect(await other).toEqual({ code: 210 });
  });

  test('waits however long it is told to, as far as timers go', async () => {
    const { held, poll } = start();
    const answer = holdPoll({ ...poll, durationMs: Number.MAX_SAFE_INTEGER }, memoryConnection().connection, { held });
    // Node runs a timer beyond its range after 1 ms.
    await sleep(20);
    expect(held.count).toBe(1);
    held.close();
    expect(await answer).toEqual({ code: 210 });
  });

  test('does not wait where too many do', async () => {
    const { held, poll } = start(0);
    expect(await holdPoll(poll, memoryConnection().connection, { held })).toEqual({ code: 209 });
  });

  test('does not look for a client that is gone', async () => {
    const { held, poll, looks } = start();
    const { connection } = memoryConnection();
    const answer = holdPoll(poll, connection, { held });
    connection.close();
    held.wake('t');
    expect(await answer).toEqual({ code: 210 });
    expect([looks(), held.count]).toEqual([0, 0]);
  });

  test('does not look for a client that takes nothing, and waits on', async () => {
    const { held, poll, looks } = start();
    const { connection } = memoryConnection({ unsentBytesMax: 1 }, false);
    const answer = holdPoll(poll, connection, { held });
    connection.sendOneWay({ code: 1, extFields: {} });
    await vi.waitFor(() => expect(connection.isBackedUp).toBe(true), 20_000);
    held.wake('t');
    expect([looks(), held.count]).toEqual([0, 1]);
    held.close();
    expect(await answer).toEqual({ code: 210 });
  });
});
