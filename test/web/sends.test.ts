import { describe, expect, it } from 'vitest';
import { MQError, type PublishOutcome } from '../../src/web/errors.ts';
import { batchBytesMax, batchMessagesMax, toFields } from '../../src/web/outgoing-message.ts';
import type { Scope } from '../../src/web/scope.ts';
import { Sends, sendCallsMax } from '../../src/web/sends.ts';

const refused = new MQError('INVALID_ARGUMENT', 'INVALID_REQUEST', 'not this one');

interface WaitingCall {
  readonly bodies: string[];
  readonly scope: Scope;
  readonly answer: (outcomes: readonly PublishOutcome[]) => void;
  readonly fail: (error: unknown) => void;
}

/** Calls that wait for their answers, and sends into them. */
function waitingCalls() {
  const calls: WaitingCall[] = [];
  const sends = new Sends(
    (messages, scope) =>
      new Promise((answer, fail) => {
        const bodies = messages.map(({ binaryBody }) => Buffer.from(binaryBody).toString());
        calls.push({ bodies, scope, answer, fail });
      }),
  );
  /** @returns the message's id, or why it has none. */
  const send = (body: string, shardingKey = '', signal = new AbortController().signal): Promise<unknown> =>
    sends.add(toFields({ body, shardingKey }), { signal, remainingMs: () => body.length }).then(
      ({ messageId }) => messageId,
      (error: unknown) => error,
    );
  const left = (): string[][] => calls.map(({ bodies }) => bodies);
  return { calls, send, left };
}

/** What a call says of messages that are stored: their bodies are their ids. */
function stored({ bodies }: WaitingCall): PublishOutcome[] {
  return bodies.map((messageId) => ({ messageId, error: undefined }));
}

/** Keeps as many calls under way as there may be, less some. */
async function occupy({ calls, send }: ReturnType<typeof waitingCalls>, freeCount: number): Promise<void> {
  while (calls.length < sendCallsMax - freeCount) {
    void send(`occupied ${calls.length}`);
    await Promise.resolve();
  }
}

describe('sends', () => {
  it('of one turn leave together, in order; one alone leaves alone', async () => {
    const { calls, send, left } = waitingCalls();
    const first = Promise.all(['a', 'b', 'c'].map((body) => send(body)));
    await Promise.resolve();
    const alone = send('d');
    await Promise.resolve();
    expect(left()).toEqual([['a', 'b', 'c'], ['d']]);
    for (const call of calls) call.answer(stored(call));
    expect(await first).toEqual(['a', 'b', 'c']);
    expect(await alone).toBe('d');
  });

  it('that come while as many calls are under way as there may be leave together when one ends', async () => {
    const waiting = waitingCalls();
    const { calls, send, left } = waiting;
    await occupy(waiting, 0);
    const later = [send('a')];
    await Promise.resolve();
    later.push(send('b'));
    await Promise.resolve();
    expect(left()).toHaveLength(sendCallsMax);
    calls[0]?.fail(refused);
    await expect.poll(left).toHaveLength(sendCallsMax + 1);
    expect(left().at(-1)).toEqual(['a', 'b']);
    calls.at(-1)?.answer([
      { messageId: '1', error: undefined },
      { messageId: '2', error: undefined },
    ]);
    expect(await Promise.all(later)).toEqual(['1', '2']);
  });

  it('of one sharding key have an order, which others do not wait for', async () => {
    const { calls, send, left } = waitingCalls();
    const sent = [send('k1', 'k'), send('k2', 'k')];
    await Promise.resolve();
    sent.push(send('k3', 'k'), send('x'), send('l1', 'l'), send('k4', 'k'));
    await Promise.resolve();
    expect(left()).toEqual([
      ['k1', 'k2'],
      ['x', 'l1'],
    ]);
    for (const call of calls) call.answer(stored(call));
    await expect.poll(left).toHaveLength(3);
    expect(left()[2]).toEqual(['k3', 'k4']);
    calls[2]?.answer([{ messageId: 'k3', error: undefined }]);
    // An answer that says nothing of a message is the caller's to refuse.
    expect(await Promise.all(sent)).toEqual(['k1', 'k2', 'k3', 'x', 'l1', '']);
  });

  it('of one sharding key have an order when they do not fit into one call', async () => {
    const { calls, send, left } = waitingCalls();
    const large = 'k'.repeat(batchBytesMax - 1_000);
    const sent = [send(large, 'k'), send(`2${large}`, 'k'), send('3', 'k'), send('x')];
    await Promise.resolve();
    expect(left().map((bodies) => bodies.map(({ length }) => length))).toEqual([[large.length], [1]]);
    for (let at = 0; at < 2; at += 1) {
      await expect.poll(() => calls.length).toBeGreaterThan(at);
      const call = calls[at];
      call?.answer(stored(call));
    }
    await expect.poll(left).toHaveLength(3);
    expect(left()[2]).toEqual([`2${large}`, '3']);
    const last = calls[2];
    if (last !== undefined) last.answer(stored(last));
    expect(await Promise.all(sent)).toEqual([large, `2${large}`, '3', 'x']);
  });

  it('leave in calls that the proxy takes', async () => {
    const { calls, send, left } = waitingCalls();
    const all = Array.from({ length: batchMessagesMax + 1 }, (_, index) => `${index}`);
    const sent = Promise.all(all.map((body) => send(body)));
    await Promise.resolve();
    expect(left().map(({ length }) => length)).toEqual([batchMessagesMax, 1]);
    for (const call of calls) call.answer(stored(call));
    expect(await sent).toEqual(all);
  });

  it('fail each for itself, and all with their call', async () => {
    const { calls, send } = waitingCalls();
    const some = Promise.all([send('good'), send('bad')]);
    await Promise.resolve();
    const none = Promise.all([send('a'), send('b')]);
    await Promise.resolve();
    calls[0]?.answer([
      { messageId: 'id', error: undefined },
      { messageId: '', error: refused },
    ]);
    calls[1]?.fail(refused);
    expect([await some, await none]).toEqual([
      ['id', refused],
      [refused, refused],
    ]);
  });

  it('do not leave when nobody waits for them any more, and end their call only when nobody does', async () => {
    const waiting = waitingCalls();
    const { calls, send, left } = waiting;
    const stops = [new AbortController(), new AbortController()] as const;
    await occupy(waiting, 1);
    void send('one', '', stops[0].signal);
    void send('longer', '', stops[1].signal);
    await Promise.resolve();
    const scope = calls.at(-1)?.scope;
    expect(scope?.remainingMs()).toBe('longer'.length);
    stops[0].abort();
    expect(scope?.signal.aborted).toBe(false);
    const stop = new AbortController();
    void send('given up', '', stop.signal);
    void send('last');
    stop.abort();
    stops[1].abort('enough');
    expect([scope?.signal.aborted, scope?.signal.reason]).toEqual([true, 'enough']);
    calls.at(-1)?.fail(refused);
    await expect.poll(left).toHaveLength(sendCallsMax + 1);
    expect(left().at(-1)).toEqual(['last']);
  });
});
