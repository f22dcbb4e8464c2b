import { connect } from 'node:http2';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ErrorCode } from '../../../src/http2/errors.ts';
import { listenerLimits } from '../../../src/proxy/port/listener-limits.ts';
import { endOf, greetedClient, headers, postFields, reset } from '../../support/http2-frames.ts';
import { clientOf, proxyOptions, startTestProxy } from '../../support/started-proxy.ts';

const path = '/rocketmq.RocketMQProxy/HealthCheck';

interface Answer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  /** Undefined where the head was all. */
  readonly trailers: Readonly<Record<string, unknown>> | undefined;
}

/** One request to a proxy on our own core. */
async function answerTo(headers: Record<string, string>, body: Uint8Array | string = ''): Promise<Answer> {
  const { port } = await startTestProxy({ http2Engine: 'own', corsOrigins: ['https://shop.example'] });
  const session = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  stream.end(body);
  let received = '';
  let trailers: Answer['trailers'];
  stream.on('data', (chunk) => {
    received += String(chunk);
  });
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  return new Promise((resolve, reject) => {
    let head: Answer['headers'] = {};
    stream.on('response', (fields) => {
      head = fields;
    });
    stream.on('close', () => resolve({ headers: head, body: received, trailers }));
    stream.on('error', reject);
  });
}

describe('a stream of our own core', () => {
  it('of gRPC is served without Connect, which says more in its trailers', async () => {
    const { headers, trailers } = await answerTo({ 'content-type': 'application/grpc' }, Buffer.alloc(5));
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'application/grpc' });
    expect(trailers).toEqual(expect.objectContaining({ 'grpc-status': '0' }));
  });

  it.each([
    ['Connect', 'application/json', '{}', 'the proxy serves'],
    ['gRPC-web', 'application/grpc-web+proto', '\0\0\0\0\0', 'grpc-status: 0'],
    ['gRPC in JSON', 'application/grpc+json', '\0\0\0\0\x02{}', 'the proxy serves'],
  ])('of %s is served by Connect', async (_name, type, request, expected) => {
    const { headers, body } = await answerTo({ 'content-type': type }, request);
    expect(headers).toMatchObject({ ':status': 200, 'content-type': type });
    expect(body).toContain(expected);
  });

  it('with a path of no method is answered 404, with an authority that is none 400', async () => {
    const grpc = { 'content-type': 'application/grpc' };
    expect((await answerTo({ ...grpc, ':path': '/Other' })).headers[':status']).toBe(404);
    const refused = { ...grpc, ':authority': 'a:99999' };
    expect((await answerTo(refused)).headers[':status']).toBe(400);
    expect((await answerTo({ ...refused, 'content-type': 'application/json' })).headers[':status']).toBe(400);
  });

  it('of gRPC whose request cannot be read says why as every other failure does', async () => {
    const { headers } = await answerTo(
      { 'content-type': 'application/grpc' },
      Buffer.from('\0\0\0\0\x01\xff', 'latin1'),
    );
    expect(headers).toMatchObject({ 'grpc-status': '3', 'grpc-message': expect.stringContaining('cannot be read') });
    const details = Buffer.from(String(headers['grpc-status-details-bin']), 'base64');
    expect(details.toString('latin1')).toContain('INVALID_REQUEST');
  });

  it('tells web pages whether they may call', async () => {
    const asking = { ':method': 'OPTIONS', 'access-control-request-method': 'POST' };
    const allowed = await answerTo({ ...asking, origin: 'https://shop.example' });
    expect(allowed.headers).toMatchObject({ ':status': 204, 'access-control-allow-origin': 'https://shop.example' });
    const json = { 'content-type': 'application/json' };
    const called = await answerTo({ ...json, origin: 'https://shop.example' }, '{}');
    expect(called.headers).toMatchObject({ ':status': 200, 'access-control-allow-origin': 'https://shop.example' });
    for (const type of ['application/json', 'application/grpc']) {
      const refused = await answerTo({ 'content-type': type, origin: 'https://other.example' }, '{}');
      expect([refused.headers[':status'], refused.body]).toEqual([403, expect.stringContaining('PROXY_CORS_ORIGINS')]);
    }
  });

  it('of a client that resets all that it opens ends its connection, counted and logged once, and no other', async () => {
    const listener = {
      ...proxyOptions().listener,
      limits: { ...listenerLimits, youngResetsMax: 20, closeGraceMs: 20 },
    };
    const { port, proxy, log } = await startTestProxy({ http2Engine: 'own', listener });
    const client = await greetedClient(port);
    const call = [
      ...postFields.filter(([name]) => name !== ':path'),
      [':path', path],
      ['content-type', 'application/grpc'],
    ] as const;
    const ids = Array.from({ length: 100 }, (_, index) => 2 * index + 1);
    client.socket.write(Buffer.concat(ids.flatMap((id) => [headers(id, call, 0), reset(id, ErrorCode.CANCEL)])));
    expect(await endOf(client)).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(log.troubles).toEqual([expect.stringMatching(/^closed an HTTP\/2 connection for /)]);
    expect(proxy.metrics.snapshot().error_count).toBe(1);
    expect(await clientOf(port).healthCheck({})).toMatchObject({ healthy: true });
  });
});
