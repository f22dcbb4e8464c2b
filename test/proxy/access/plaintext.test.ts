import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from '../../support/certificates.ts';
import { FrameType } from '../../support/raw-http2.ts';
import { rawHttp2Client, readAll, startListener, tcpClient } from '../../support/started-listener.ts';

describe('cleartext to a port with TLS', { timeout: 30_000 }, () => {
  let tls: { readonly cert: Buffer; readonly key: Buffer };
  beforeAll(async () => {
    const { server } = await makeCertificates();
    tls = { cert: Buffer.from(server.cert), key: Buffer.from(server.private) };
  });

  it('by HTTP/1.1 is answered with what to do, and ended', async () => {
    const { port } = await startListener({ tls });
    const socket = tcpClient(port);
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const answer = await readAll(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(answer).toContain('connect with https');
  });

  it('by HTTP/2 is told to go away and why, and ended', async () => {
    const { port } = await startListener({ tls });
    const client = await rawHttp2Client(port);
    const { payload } = await client.next(({ type }) => type === FrameType.GOAWAY);
    expect(payload.readUInt32BE(4)).toBe(0x0c);
    expect(payload.subarray(8).toString()).toContain('this port speaks TLS');
    await client.closed;
  });

  it('is ended also where the peer never closes its side', async () => {
    const { port, listener } = await startListener({ tls });
    const socket = tcpClient(port);
    socket.allowHalfOpen = true;
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await once(socket.resume(), 'end');
    await listener.drain(10_000);
  });
});
