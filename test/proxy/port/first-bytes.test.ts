import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { awaitProtocol, protocolOf, type WireProtocol } from '../../../src/proxy/port/first-bytes.ts';
import { preface } from '../../support/raw-http2.ts';

describe('protocolOf', () => {
  it('needs the whole preface for HTTP/2, and the first byte that differs for HTTP/1.1', () => {
    for (let length = 0; length < preface.length; length += 1) {
      expect(protocolOf(preface.subarray(0, length))).toBeUndefined();
      const altered = Buffer.from(preface);
      altered[length] = 0;
      expect(protocolOf(altered.subarray(0, length + 1))).toBe('http1');
    }
    expect(protocolOf(preface)).toBe('http2');
    expect(protocolOf(Buffer.concat([preface, Buffer.from('more')]))).toBe('http2');
    expect(protocolOf(Buffer.from([0x16, 3, 1]))).toBe('tls');
    expect(protocolOf(Buffer.from('P'))).toBeUndefined();
    expect(protocolOf(Buffer.from('POST / HTTP/1.1'))).toBe('http1');
  });
});

describe('awaitProtocol', () => {
  let server: Server;
  let client: Socket;
  let accepted: Socket;
  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    client = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
    [accepted] = await once(server, 'connection');
  });
  afterEach(() => {
    client.destroy();
    accepted.destroy();
    server.close();
  });

  it('hands over every byte, however the first ones came', async () => {
    const listeners = () => ['data', 'end', 'close'].map((name) => accepted.listenerCount(name));
    const before = listeners();
    const decided = new Promise<WireProtocol>((resolve) => awaitProtocol(accepted, 5000, resolve));
    client.setNoDelay();
    for (const byte of preface) await new Promise((resolve) => client.write(Uint8Array.of(byte), resolve));
    expect(await decided).toBe('http2');
    expect(listeners()).toEqual(before);
    client.end('and more');
    let received = '';
    accepted.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    accepted.resume();
    await once(accepted, 'end');
    expect(received).toBe(`${preface.toString('latin1')}and more`);
  });

  it('destroys a connection that says too little in time, even byte by byte', async () => {
    awaitProtocol(accepted, 50, () => expect.unreachable());
    client.on('error', () => {});
    client.write('PRI ');
    await once(client, 'close');
  });

  it('destroys a connection that ends before it is known', async () => {
    awaitProtocol(accepted, 60_000, () => expect.unreachable());
    client.end('PR');
    await once(client, 'close');
  });
});
