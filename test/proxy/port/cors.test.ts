import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { http2Client } from '../../support/started-listener.ts';
import { startTestProxy } from '../../support/started-proxy.ts';

const path = '/rocketmq.RocketMQProxy/HealthCheck';
const shop = 'https://shop.example';

describe('web pages', { timeout: 30_000 }, () => {
  const start = async (...corsOrigins: string[]) => (await startTestProxy({ corsOrigins })).port;

  const call = (port: number, headers: Record<string, string>, method = 'POST') =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { ...(method === 'POST' ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(method === 'POST' ? { body: '{}' } : {}),
    });

  const preflight = {
    origin: shop,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  };

  it('of a listed origin are told that they may call, and may read what gRPC-web needs', async () => {
    const port = await start('http://localhost:5173', shop);
    const allowed = await call(port, preflight, 'OPTIONS');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe(shop);
    expect(allowed.headers.get('access-control-allow-methods')).toContain('POST');
    const headers = allowed.headers.get('access-control-allow-headers')?.toLowerCase() ?? '';
    for (const name of [
      'content-type',
      'connect-protocol-version',
      'connect-timeout-ms',
      'x-grpc-web',
      'grpc-timeout',
      'authorization',
    ]) {
      expect(headers.split(', ')).toContain(name);
    }
    const answer = await call(port, { origin: shop });
    expect([answer.status, await answer.json()]).toMatchObject([200, { healthy: true }]);
    expect(answer.headers.get('access-control-allow-origin')).toBe(shop);
    expect(answer.headers.get('vary')).toBe('origin');
    expect(answer.headers.get('access-control-expose-headers')?.toLowerCase()).toContain('grpc-status');
  });

  it('of other origins are refused, and of none at all by default', async () => {
    const listed = await start(shop);
    const unset = await start();
    const others = [
      [listed, 'https://shop.example.evil'],
      [listed, 'http://shop.example'],
      [listed, 'null'],
      [unset, shop],
      [unset, `http://127.0.0.1:${unset}`],
    ] as const;
    for (const [port, origin] of others) {
      for (const refused of [await call(port, { origin }), await call(port, { ...preflight, origin }, 'OPTIONS')]) {
        expect(refused.status).toBe(403);
        expect(refused.headers.get('access-control-allow-origin')).toBeNull();
        expect(await refused.text()).toContain('PROXY_CORS_ORIGINS');
      }
    }
  });

  it('of all origins may call where * says so', async () => {
    const answer = await call(await start('*'), { origin: shop });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, shop]);
  });

  it('are looked at by HTTP/2 as well, and programs without an origin are not', async () => {
    const port = await start(shop);
    const session = http2Client(port);
    const status = async (headers: Record<string, string>) => {
      const fields = { ':method': 'POST', ':path': path, 'content-type': 'application/json', ...headers };
      const stream = session.request(fields);
      stream.end('{}');
      const [answer] = await once(stream, 'response');
      stream.resume();
      return [answer[':status'], answer['access-control-allow-origin']];
    };
    expect(await status({ origin: shop })).toEqual([200, shop]);
    expect(await status({ origin: 'https://evil.example' })).toEqual([403, undefined]);
    expect(await status({})).toEqual([200, undefined]);
  });
});
