import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { failure } from '../../src/proxy/rpc/failures.ts';
import { MQError } from '../../src/web/errors.ts';
import { LastingId } from '../../src/web/lasting-id.ts';
import { scriptedCalls } from './scripted-proxy.ts';

const unknown = new MQError('NOT_FOUND', 'ID_NOT_FOUND', 'unknown here');

/** Ids `1`, `2` …; where `isDown` no proxy answers. */
function numbered() {
  const state = { madeCount: 0, isDown: false };
  const calls = scriptedCalls({
    createProducer: () => {
      if (state.isDown) throw failure(Code.Unavailable, 'ENDPOINT_UNREACHABLE', 'down');
      state.madeCount += 1;
      return { producerId: `${state.madeCount}` };
    },
  });
  const id = new LastingId(calls, async (scope) => {
    const { producerId } = await calls.unary(scope, (client, call) => client.createProducer({}, call));
    return producerId;
  });
  return { id, state };
}

describe('an id', () => {
  it('is made when it is needed, once for all', async () => {
    const { id, state } = numbered();
    expect([id.current, state.madeCount]).toEqual([undefined, 0]);
    expect(await Promise.all([id.get(), id.get(), id.use(async (one) => one)])).toEqual(['1', '1', '1']);
    expect([await id.current, state.madeCount]).toEqual(['1', 1]);
  });

  it('is tried for again where it could not be made', async () => {
    const { id, state } = numbered();
    state.isDown = true;
    await expect(id.get()).rejects.toMatchObject({ reason: 'ENDPOINT_UNREACHABLE' });
    state.isDown = false;
    expect(await id.get()).toBe('1');
  });

  it('is made anew where the proxy does not know it, once for all who see that, and the work is done with it', async () => {
    const { id, state } = numbered();
    const knows2 = (one: string): Promise<string> => (one === '1' ? Promise.reject(unknown) : Promise.resolve(one));
    expect(await Promise.all([id.use(knows2), id.use(knows2)])).toEqual(['2', '2']);
    expect(state.madeCount).toBe(2);
    // A proxy that knows no id at all is not asked for ever.
    await expect(id.use(() => Promise.reject(unknown))).rejects.toBe(unknown);
  });

  it('stays where the work failed for another reason', async () => {
    const { id } = numbered();
    const denied = new MQError('PERMISSION_DENIED', 'TOKEN_DENIED', 'no');
    await expect(id.use(() => Promise.reject(denied))).rejects.toBe(denied);
    expect([id.forgetIfUnknown(denied), await id.get()]).toEqual([false, '1']);
    expect([id.forgetIfUnknown(unknown), await id.get()]).toEqual([true, '2']);
  });
});
