import { create } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../src/gen/grpc/health/v1/health_pb.ts';
import { createHealthHandlers } from '../../../src/proxy/rpc/health.ts';
import { patientCall, refusalOf } from '../../support/proxy-parts.ts';
import { startTestProxy, type Way, ways } from '../../support/started-proxy.ts';

const { NOT_SERVING, SERVICE_UNKNOWN, SERVING } = ServingStatus;
const service = 'rocketmq.RocketMQProxy';

function startHealth() {
  const draining = new AbortController();
  const state = { isReady: true };
  const handlers = createHealthHandlers({
    services: [service],
    isReady: () => state.isReady,
    draining: draining.signal,
  });
  const requestFor = (name: string) => create(HealthCheckRequestSchema, { service: name });
  return {
    handlers,
    state,
    draining,
    check: (name: string) => handlers.check(requestFor(name)),
    watch: (name: string, signal?: AbortSignal) =>
      handlers.watch(requestFor(name), patientCall(signal))[Symbol.asyncIterator](),
  };
}

describe('health', () => {
  it('of the server lasts until it shuts down, of the service while the proxy is ready', async () => {
    const { check, handlers, state, draining } = startHealth();
    expect(await check('')).toEqual({ status: SERVING });
    expect(await check(service)).toEqual({ status: SERVING });
    state.isReady = false;
    expect(await check('')).toEqual({ status: SERVING });
    expect(await check(service)).toEqual({ status: NOT_SERVING });
    expect(await handlers.list()).toEqual({
      statuses: { '': { status: SERVING }, [service]: { status: NOT_SERVING } },
    });
    state.isReady = true;
    draining.abort();
    expect(await check('')).toEqual({ status: NOT_SERVING });
    expect(await check(service)).toEqual({ status: NOT_SERVING });
  });

  it('of a service that is not here is NOT_FOUND', async () => {
    expect(await refusalOf(startHealth().check('rocketmq.Other'))).toEqual([
      'INVALID_REQUEST',
      `this server has none of that name; it has ${service}`,
    ]);
  });

  it('is told at once and at each change', { timeout: 30_000 }, async () => {
    const { watch, state } = startHealth();
    const watched = watch(service);
    expect((await watched.next()).value).toEqual({ status: SERVING });
    state.isReady = false;
    expect((await watched.next()).value).toEqual({ status: NOT_SERVING });
    state.isReady = true;
    expect((await watched.next()).value).toEqual({ status: SERVING });
    await watched.return?.();
  });

  it('of a service that is not here can be watched', async () => {
    expect((await startHealth().watch('rocketmq.Other').next()).value).toEqual({ status: SERVICE_UNKNOWN });
  });

  it('is told at a shutdown, which ends the watch, also of one that waits', async () => {
    const { watch, draining } = startHealth();
    const watched = watch('');
    await watched.next();
    const next = watched.next();
    draining.abort();
    expect((await next).value).toEqual({ status: NOT_SERVING });
    expect(await refusalOf(watched.next())).toEqual([
      'SHUTTING_DOWN',
      'the proxy is shutting down: watch another instance',
    ]);
  });

  it('is told no more to who has gone', async () => {
    const caller = new AbortController();
    const watched = startHealth().watch('', caller.signal);
    await watched.next();
    const next = watched.next();
    caller.abort();
    expect(await next).toEqual({ value: undefined, done: true });
  });

  it.each(Object.keys(ways))('is checked, listed and watched by %s', async (way) => {
    const { port } = await startTestProxy();
    const client = createClient(Health, ways[way as Way](port));
    expect((await client.check({})).status).toBe(SERVING);
    expect((await client.list({})).statuses[service]?.status).toBe(SERVING);
    for await (const { status } of client.watch({ service })) {
      expect(status).toBe(SERVING);
      break;
    }
    await expect(client.check({ service: 'x' })).rejects.toThrow(/^\[not_found\] this server has none/);
  });
});
