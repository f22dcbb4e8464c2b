import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { InFlightRequests } from '../../src/remoting/in-flight-requests.ts';
import { soon } from '../support/connected-channel.ts';
import { blankCommand } from '../support/loopback-server.ts';

const address = '127.0.0.1:1';
const reply = (opaque: number) => ({ ...blankCommand, opaque, flag: 1 });

/** A table, and the opaques that were written. */
function create(countMax = 10): { requests: InFlightRequests; written: number[]; write: (opaque: number) => void } {
  const written: number[] = [];
  return { requests: new InFlightRequests(address, countMax), written, write: (opaque) => written.push(opaque) };
}

describe('requests in flight', () => {
  it('get the reply that carries their opaque, in any order', async () => {
    const { requests, written, write } = create();
    const [first, second] = [requests.request(write, soon()), requests.request(write, soon())];
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
    const { requests, write } = create();
    const first = requests.request(write, soon());
    requests.take(reply(77));
    requests.take(reply(1));
    requests.take(reply(1));
    await first;
    expect(requests.droppedReplyCount).toBe(2);
  });

  it('are as many as may be; one more is not written', async () => {
    const { requests, written, write } = create(2);
    const first = requests.request(write, soon());
    void requests.request(write, soon()).catch(() => {});
    await expect(requests.request(write, soon())).rejects.toMatchObject({ kind: 'overloaded', address });
    expect(written).toEqual([1, 2]);
    requests.take(reply(1));
    await first;
    const third = requests.request(write, soon());
    requests.take(reply(3));
    await third;
    requests.rejectAll(new RemotingError('closed', 'the end'));
  });

  it('end with their deadline, with an outcome that nobody knows, and their reply is then dropped', async () => {
    const { requests, write } = create();
    const late = requests.request(write, Deadline.after(5));
    await expect(late).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: true, address });
    expect(requests.count).toBe(0);
    requests.take(reply(1));
    expect(requests.droppedReplyCount).toBe(1);
  });

  it('read what has arrived before they give up', async () => {
    const { requests, write } = create();
    const request = requests.request(write, Deadline.after(1));
    const busyUntilMs = performance.now() + 10;
    while (performance.now() < busyUntilMs);
    setImmediate(() => requests.take(reply(1)));
    expect((await request).opaque).toBe(1);
  });

  it('end when their caller gives up', async () => {
    const { requests, write } = create();
    const caller = new AbortController();
    const request = requests.request(write, Deadline.after(10_000, caller.signal));
    caller.abort();
    await expect(request).rejects.toMatchObject({ kind: 'cancelled', outcomeUnknown: true });
    expect(requests.count).toBe(0);
  });

  it('are not written after their deadline, nor kept where writing fails', async () => {
    const { requests, written, write } = create();
    const over = Deadline.after(0);
    await nextTurn();
    await expect(requests.request(write, over)).rejects.toMatchObject({ kind: 'timeout', outcomeUnknown: false });
    expect(written).toEqual([]);
    const fail = (): never => {
      throw new RemotingError('malformed', 'too large');
    };
    await expect(requests.request(fail, soon())).rejects.toThrow('too large');
    expect(requests.count).toBe(0);
  });

  it('all fail with the connection, for its reason', async () => {
    const { requests, write } = create();
    const all = [requests.request(write, soon()), requests.request(write, soon())];
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
});
