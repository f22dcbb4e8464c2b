import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, describe, expect, it } from 'vitest';
import { RetryInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts';
import { type CallKind, ClientLimits } from '../../../src/proxy/access/client-limits.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { deferred } from '../../support/scripted-peer.ts';
import { clientOf, startTestCluster, startTestProxy } from '../../support/started-proxy.ts';

const { signal } = new AbortController();

async function refusalOf(work: Promise<unknown>): Promise<ConnectError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return ConnectError.from(error);
  }
}

describe('what one client may do', () => {
  let nowMs: number;
  beforeEach(() => {
    nowMs = 0;
  });
  const start = (clientCallsPerSecond = 0): ClientLimits =>
    new ClientLimits({ clientCallsMax: 3, clientStreamsMax: 2, clientCallsPerSecond }, signal, () => nowMs);

  const enter = (limits: ClientLimits, client: string, kind: CallKind = 'unary') => limits.enter(client, kind, signal);

  it.each([
    ['unary', 3],
    ['stream', 2],
  ] as const)('is so many %s calls at a time: %s, whatever others and the other kind do', async (kind, max) => {
    const limits = start();
    const leaves = await Promise.all(Array.from({ length: max }, () => enter(limits, 'a', kind)));
    expect(Code[(await refusalOf(enter(limits, 'a', kind)))?.code ?? 0]).toBe('ResourceExhausted');
    await enter(limits, 'b', kind);
    await enter(limits, 'a', kind === 'unary' ? 'stream' : 'unary');
    leaves[0]?.();
    await enter(limits, 'a', kind);
  });

  it('is so many calls in a second, which may come at once', async () => {
    const limits = start(5);
    const begin = async (): Promise<boolean> => {
      const refusal = await refusalOf(enter(limits, 'a').then((leave) => leave()));
      return refusal === undefined;
    };
    const several = async (count: number): Promise<boolean[]> => {
      const taken: boolean[] = [];
      for (let n = 0; n < count; n += 1) taken.push(await begin());
      return taken;
    };
    expect(await several(6)).toEqual([true, true, true, true, true, false]);
    nowMs = 199;
    expect(await begin()).toBe(false);
    nowMs = 201;
    expect(await several(2)).toEqual([true, false]);
    nowMs = 60_000;
    expect((await several(6)).filter(Boolean)).toHaveLength(5);
  });

  it('is not held back for who has gone', async () => {
    const limits = start();
    for (let n = 0; n < 3; n += 1) await enter(limits, 'a');
    expect(Code[(await refusalOf(limits.enter('a', 'unary', AbortSignal.abort())))?.code ?? 0]).toBe(
      'ResourceExhausted',
    );
  });

  it('is refused at a pace, up to a longest time, each client for itself', async () => {
    const holds: number[] = [];
    const limits = new ClientLimits(
      { clientCallsMax: 1, clientStreamsMax: 1, clientCallsPerSecond: 0 },
      signal,
      () => nowMs,
      async (durationMs) => void holds.push(durationMs),
    );
    const heldFor = async (client: string): Promise<number | undefined> => {
      await refusalOf(enter(limits, client));
      return holds.at(-1);
    };
    for (const client of ['a', 'b']) (await enter(limits, client))();
    for (const client of ['a', 'b']) await enter(limits, client);
    expect([await heldFor('a'), await heldFor('a'), await heldFor('a')]).toEqual([0, 20, 40]);
    expect(await heldFor('b')).toBe(0);
    nowMs = 30;
    expect(await heldFor('a')).toBe(30);
    nowMs = 1_000;
    expect(await heldFor('a')).toBe(0);
    for (let n = 1; n <= 1_500; n += 1) await heldFor('a');
    expect([holds.at(-1), await heldFor('a')]).toEqual([30_000, 30_000]);
  });

  it('is remembered while a refusal is held back', async () => {
    const limits = start();
    const leaves = await Promise.all(Array.from({ length: 3 }, () => enter(limits, 'a')));
    await Promise.all([refusalOf(enter(limits, 'a')), refusalOf(enter(limits, 'a'))]);
    for (const leave of leaves) leave();
    limits.sweep();
    expect(limits.clientCount).toBe(1);
    nowMs = 20;
    limits.sweep();
    expect(limits.clientCount).toBe(0);
  });

  it('is refused at once when the proxy shuts down', async () => {
    const draining = new AbortController();
    const settings = { clientCallsMax: 1, clientStreamsMax: 1, clientCallsPerSecond: 0 };
    const limits = new ClientLimits(settings, draining.signal, () => nowMs);
    await enter(limits, 'a');
    // The last of them would come after 30 s.
    const refusals = Array.from({ length: 1_501 }, () => refusalOf(enter(limits, 'a')));
    draining.abort();
    const codes = (await Promise.all(refusals)).map((refusal) => Code[refusal?.code ?? 0]);
    expect(new Set(codes)).toEqual(new Set(['ResourceExhausted']));
  }, 20_000);

  it('is forgotten once it has no call and may do all again', async () => {
    const limits = start(5);
    const leave = await enter(limits, 'a');
    limits.sweep();
    expect(limits.clientCount).toBe(1);
    leave();
    limits.sweep();
    expect(limits.clientCount).toBe(1);
    nowMs = 1_000;
    limits.sweep();
    expect(limits.clientCount).toBe(0);
  });
});

describe('a proxy with limits', { timeout: 30_000 }, () => {
  const limits = { clientCallsMax: 1, clientStreamsMax: 1, clientCallsPerSecond: 0 };

  it('refuses what one client has too much of, says when to try again, and serves it when there is room', async () => {
    const { cluster } = await startTestCluster();
    const { port } = await startTestProxy({ clientLimits: limits });
    const client = clientOf(port);
    const endpoint = cluster.nameServer.address;
    const { producerId } = await client.createProducer({ endpoint, topic: 'topic' });
    const { consumerId } = await client.createConsumer({ endpoint, topic: 'topic', groupId: 'g' });
    const stored = deferred<undefined>();
    cluster.broker.on(RequestCode.SEND_MESSAGE_V2, async () => {
      await stored.promise;
      return { extFields: { msgId: '0'.repeat(32), queueId: '0', queueOffset: '0' } };
    });
    const sending = client.sendMessage({ producerId, messageBody: 'x' });
    await cluster.broker.request(RequestCode.SEND_MESSAGE_V2);
    const refusal = await refusalOf(client.sendMessage({ producerId, messageBody: 'y' }));
    expect(Code[refusal?.code ?? 0]).toBe('ResourceExhausted');
    expect(refusal?.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds).toBe(1n);
    // Health checks are for balancers, which must not take a busy proxy for a dead one.
    expect(await client.healthCheck({})).toMatchObject({ healthy: true });
    stored.resolve(undefined);
    await sending;
    expect(await refusalOf(client.sendMessage({ producerId, messageBody: 'y' }))).toBeUndefined();

    const ending = new AbortController();
    const stream = client.receiveMessages({ consumerId }, { signal: ending.signal })[Symbol.asyncIterator]();
    const waiting = refusalOf(stream.next());
    await cluster.broker.request(RequestCode.NOTIFICATION);
    const second = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    expect(Code[(await refusalOf(second.next()))?.code ?? 0]).toBe('ResourceExhausted');
    ending.abort();
    await waiting;
  });
});
