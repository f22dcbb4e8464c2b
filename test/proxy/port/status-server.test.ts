import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ProxyMetrics } from '../../../src/proxy/metrics.ts';
import { type Readiness, type StatusServer, startStatusServer } from '../../../src/proxy/port/status-server.ts';

let server: StatusServer | undefined;
afterEach(() => server?.close());

async function start(given: { metrics?: boolean; ready?: () => Readiness } = {}): Promise<string> {
  const metrics = new ProxyMetrics({ activeProducers: () => 2, activeConsumers: () => 3 });
  server = await startStatusServer({
    host: '127.0.0.1',
    port: 0,
    metrics: given.metrics === false ? undefined : metrics,
    ready: given.ready ?? (() => ({ ready: true })),
  });
  return `http://127.0.0.1:${server.port}`;
}

describe('status server', () => {
  it('says that it is healthy, and when', async () => {
    const response = await fetch(`${await start({ metrics: false })}/health`);
    const body: unknown = await response.json();
    expect(response.status).toBe(200);
    expect(body).toEqual({ status: 'healthy', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/) });
  });

  it('is alive whether or not it is ready, and says what is missing', async () => {
    let readiness: Readiness = { ready: false, reason: 'no name server answers' };
    const url = await start({ ready: () => readiness });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    const before = await fetch(`${url}/readyz?verbose`);
    expect(before.status).toBe(503);
    expect(await before.json()).toEqual({ ready: false, reason: 'no name server answers' });
    readiness = { ready: true };
    const after = await fetch(`${url}/readyz`);
    expect(after.status).toBe(200);
    expect(await after.json()).toEqual({ ready: true });
  });

  it.each([
    [{}, '', 'json'],
    [{ accept: '*/*' }, '', 'json'],
    [{ accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }, '', 'json'],
    [{ accept: 'application/json, text/plain' }, '', 'json'],
    [{ accept: 'text/plain;version=0.0.4;q=0.5,*/*;q=0.1' }, '', 'prometheus'],
    [{ accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' }, '', 'prometheus'],
    [{ accept: 'text/plain, application/json' }, '', 'prometheus'],
    [{}, '?format=prometheus', 'prometheus'],
    [{ accept: 'text/plain' }, '?format=json', 'json'],
  ])('serves metrics for %j%s as %s', async (headers, query, format) => {
    const response = await fetch(`${await start()}/metrics${query}`, { headers });
    const text = await response.text();
    expect(response.status).toBe(200);
    if (format === 'json') {
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(JSON.parse(text)).toMatchObject({ active_producers: 2, active_consumers: 3, goroutine_count: 0 });
    } else {
      expect(response.headers.get('content-type')).toContain('text/plain');
      expect(text).toContain('rocketmq_proxy_active_producers 2\n');
    }
  });

  it('names the setting that switched metrics off', async () => {
    const response = await fetch(`${await start({ metrics: false })}/metrics`);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('ENABLE_METRICS');
  });

  it('answers HEAD without a body, other methods with 405 and other paths with 404', async () => {
    const url = await start();
    const head = await fetch(`${url}/health`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(20);
    const post = await fetch(`${url}/health`, { method: 'POST', body: 'x' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(await post.json()).toHaveProperty('error');
    const absent = await fetch(`${url}/absent`);
    expect(absent.status).toBe(404);
    expect(await absent.json()).toEqual({ error: 'nothing is served at /absent' });
  });

  it('fails one request, not the process, when asking for readiness throws', async () => {
    const url = await start({
      ready: () => {
        throw new Error('secret detail');
      },
    });
    const response = await fetch(`${url}/readyz`);
    expect([response.status, await response.json()]).toEqual([500, { error: 'internal error' }]);
  });

  it('refuses headers over 8 KiB', async () => {
    const url = await start();
    const status = async (length: number) =>
      (await fetch(`${url}/livez`, { headers: { x: 'a'.repeat(length) } })).status;
    expect(await status(7000)).toBe(200);
    expect(await status(8192)).toBe(431);
  });

  it('closes kept-alive connections with itself, and frees its port', async () => {
    await start();
    const port = server?.port ?? 0;
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /livez HTTP/1.1\r\nhost: a\r\n\r\n');
    await once(socket, 'data');
    const ended = once(socket, 'close');
    await Promise.all([server?.close(), server?.close()]);
    await ended;
    server = await startStatusServer({ host: '127.0.0.1', port, metrics: undefined, ready: () => ({ ready: true }) });
    expect(server.port).toBe(port);
  });

  it('closes a connection that is in the middle of a request, too', async () => {
    await start();
    const socket = connect(server?.port ?? 0, '127.0.0.1');
    socket.write('GET /livez HTTP/1.1\r\n');
    await once(socket, 'connect');
    const ended = once(socket, 'close');
    await server?.close();
    await ended;
  });

  it('says what to set when its port is in use', async () => {
    await start();
    const port = server?.port ?? 0;
    const again = startStatusServer({ host: '127.0.0.1', port, metrics: undefined, ready: () => ({ ready: true }) });
    await expect(again).rejects.toThrow(/METRICS_PORT/);
  });
});
