import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { failure } from '../../src/proxy/rpc/failures.ts';
import type { Token } from '../../src/web/api.ts';
import type { ProxyCalls } from '../../src/web/proxy-calls.ts';
import { scriptedCalls } from './scripted-proxy.ts';

/** What a health check is answered with: the token that it had. */
const health = (calls: ProxyCalls): Promise<string> =>
  calls.inTime({}, async (scope) => (await calls.unary(scope, (client, call) => client.healthCheck({}, call))).message);

/** A proxy that knows one token only, and the tokens that it was called with. */
function guarded(token: Token | undefined, good = 'good') {
  const seen: (string | null)[] = [];
  const calls = scriptedCalls(
    {
      healthCheck: (_, { requestHeader }) => {
        const authorization = requestHeader.get('authorization');
        seen.push(authorization);
        if (authorization === `Bearer ${good}`) return { message: good };
        throw failure(Code.Unauthenticated, 'TOKEN_REFUSED', 'no');
      },
    },
    { token },
  );
  return { calls, seen };
}

const refused = { code: 'UNAUTHENTICATED', reason: 'TOKEN_REFUSED' };

describe('a token', () => {
  it('goes with each call', async () => {
    const { calls, seen } = guarded('good');
    expect([await health(calls), seen]).toEqual(['good', ['Bearer good']]);
    const without = guarded(undefined);
    await expect(health(without.calls)).rejects.toMatchObject(refused);
    expect([without.seen, without.calls.tokenCanChange]).toEqual([[null], false]);
  });

  it('of a function is asked for before each call, and once more where it was refused', async () => {
    const tokens = ['good', 'old', 'good', 'old', 'worse', 'old', 'old'];
    const { calls, seen } = guarded(async () => tokens.shift() ?? '');
    expect([await health(calls), await health(calls)]).toEqual(['good', 'good']);
    expect(seen.splice(0)).toEqual(['Bearer good', 'Bearer old', 'Bearer good']);
    await expect(health(calls)).rejects.toMatchObject(refused);
    expect(seen.splice(0)).toEqual(['Bearer old', 'Bearer worse']);
    // The same again would be refused again.
    await expect(health(calls)).rejects.toMatchObject(refused);
    expect([seen, tokens, calls.tokenCanChange]).toEqual([['Bearer old'], [], true]);
  });

  it('that cannot be had ends the call', async () => {
    const { calls, seen } = guarded(() => Promise.reject(new Error('logged out')));
    await expect(health(calls)).rejects.toMatchObject({
      ...refused,
      cause: expect.objectContaining({ message: 'logged out' }),
    });
    expect(seen).toEqual([]);
  });
});

describe('a call', () => {
  it('tells the proxy how much time is left', async () => {
    const left: (number | undefined)[] = [];
    const calls = scriptedCalls({
      healthCheck: (_, context) => {
        left.push(context.timeoutMs());
        return {};
      },
    });
    await health(calls);
    expect(left[0]).toBeGreaterThan(0);
    expect(left[0]).toBeLessThanOrEqual(30_000);
  });

  it('ends when the client is closed, also one that comes later', async () => {
    const calls = scriptedCalls({ healthCheck: () => new Promise(() => {}) });
    const ended = [health(calls), health(calls)];
    calls.close();
    for (const one of [...ended, health(calls)]) await expect(one).rejects.toMatchObject({ reason: 'CLOSED' });
  });
});

describe('a stream', () => {
  it('fails with what the proxy says, behind what it sent', async () => {
    const calls = scriptedCalls({
      async *receiveMessages() {
        yield { messageId: 'one' };
        throw failure(Code.Unavailable, 'SHUTTING_DOWN', 'going');
      },
    });
    const received: string[] = [];
    const stream = calls.stream(new AbortController().signal, (client, call) => client.receiveMessages({}, call));
    const all = (async () => {
      for await (const { messageId } of stream) received.push(messageId);
    })();
    await expect(all).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'SHUTTING_DOWN' });
    expect(received).toEqual(['one']);
  });

  it('ends when its signal is aborted, also while it waits for a token', async () => {
    const calls = scriptedCalls({}, { token: () => new Promise(() => {}) });
    const stop = new AbortController();
    const ended = calls.stream(stop.signal, (client, call) => client.receiveMessages({}, call)).next();
    stop.abort();
    await expect(ended).rejects.toMatchObject({ reason: 'CANCELLED' });
  });
});
