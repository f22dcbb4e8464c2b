import { once } from 'node:events';
import { get } from 'node:https';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { credentials } from '@grpc/grpc-js';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { RocketMQProxy } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import type { TlsFileSettings } from '../../../src/proxy/port/tls-files.ts';
import { type Certificates, makeCertificates } from '../../support/certificates.ts';
import { ProxyClient } from '../../support/grpc-client.ts';
import { FrameType, frame, preface } from '../../support/raw-http2.ts';
import { SettingFolder } from '../../support/setting-files.ts';
import { startListener, tcpClient } from '../../support/started-listener.ts';
import { startTestProxy } from '../../support/started-proxy.ts';

type TlsClient = Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>;

const ways: Record<string, (baseUrl: string, nodeOptions: TlsClient) => Transport> = {
  gRPC: (baseUrl, nodeOptions) => createGrpcTransport({ baseUrl, nodeOptions }),
  'gRPC-web, HTTP/1.1': (baseUrl, nodeOptions) => createGrpcWebTransport({ baseUrl, nodeOptions, httpVersion: '1.1' }),
  'gRPC-web, HTTP/2': (baseUrl, nodeOptions) => createGrpcWebTransport({ baseUrl, nodeOptions, httpVersion: '2' }),
  'Connect, HTTP/1.1': (baseUrl, nodeOptions) => createConnectTransport({ baseUrl, nodeOptions, httpVersion: '1.1' }),
  'Connect, HTTP/2': (baseUrl, nodeOptions) => createConnectTransport({ baseUrl, nodeOptions, httpVersion: '2' }),
};

const noFiles: TlsFileSettings = { tlsCertFile: undefined, tlsKeyFile: undefined, tlsClientCaFile: undefined };
const soon = { timeout: 15_000, interval: 10 };

describe('a port with TLS', { timeout: 30_000 }, () => {
  let made: Certificates;
  let ca: string;
  beforeAll(async () => {
    made = await makeCertificates();
    ca = made.authority.cert;
  });

  /** A proxy with the server's certificate, and what its files are in. */
  async function start(change: Partial<TlsFileSettings> = {}) {
    const folder = new SettingFolder();
    const tlsCertFile = folder.write('cert', made.server.cert);
    const tlsKeyFile = folder.write('key', made.server.private);
    const tls = { ...noFiles, tlsCertFile, tlsKeyFile, ...change };
    return { folder, ...(await startTestProxy({ tls, fileCheckIntervalMs: 10 })) };
  }

  async function health(port: number, way: string, options: TlsClient): Promise<boolean> {
    const transport = ways[way]?.(`https://127.0.0.1:${port}`, options);
    if (transport === undefined) throw new Error(`there is no way ${way}`);
    return (await createClient(RocketMQProxy, transport).healthCheck({}, { timeoutMs: 15_000 })).healthy;
  }

  /** A connection whose handshake is done, destroyed when the test ends. */
  async function secureClient(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({ host: '127.0.0.1', port, ca, ...options });
    onTestFinished(() => {
      socket.destroy();
    });
    await once(socket, 'secureConnect');
    socket.on('error', () => {});
    return socket;
  }

  /** Serial number of the certificate that new connections are shown. */
  async function shownSerial(port: number): Promise<string> {
    const socket = await secureClient(port, { rejectUnauthorized: false });
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  }

  it.each(Object.keys(ways))('serves %s', async (way) => {
    const { port } = await start();
    expect(await health(port, way, { ca })).toBe(true);
  });

  it('serves grpc-js', async () => {
    const { port } = await start();
    const client = new ProxyClient(
      `127.0.0.1:${port}`,
      { 'grpc.ssl_target_name_override': 'localhost' },
      credentials.createSsl(Buffer.from(ca)),
    );
    onTestFinished(() => client.close());
    expect(await client.call('HealthCheck', {})).toMatchObject({ healthy: true });
  });

  it('serves who offers no protocol by HTTP/1.1, and takes no old TLS', async () => {
    const { port } = await start();
    const status = new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, ca, agent: false }, (answer) => resolve(answer.statusCode)).on('error', reject);
    });
    expect(await status).toBe(404);
    const old = secureClient(port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    await expect(old).rejects.toThrow();
  });

  it('lets only clients with a certificate of its authority in, where it has one', async () => {
    const { folder } = await start();
    const { port } = await start({ tlsClientCaFile: folder.write('ca', ca) });
    const { client, foreignClient } = made;
    expect(await health(port, 'gRPC', { ca, cert: client.cert, key: client.private })).toBe(true);
    await expect(health(port, 'gRPC', { ca })).rejects.toThrow();
    const foreign = { ca, cert: foreignClient.cert, key: foreignClient.private };
    await expect(health(port, 'Connect, HTTP/1.1', foreign)).rejects.toThrow();
  });

  it('shows a new certificate once the files have it, keeps the old one where they do not fit, and says so', async () => {
    const { port, folder, log } = await start();
    const before = await shownSerial(port);
    const open = await secureClient(port);
    const ended = vi.fn();
    open.on('close', ended);
    const { server } = await makeCertificates();

    folder.write('cert', server.cert);
    await vi.waitFor(() => expect(log.lines.some(({ level }) => level === 'error')).toBe(true), soon);
    expect(JSON.stringify(log.lines.find(({ level }) => level === 'error'))).toContain('PROXY_TLS_CERT_FILE');
    expect(await shownSerial(port)).toBe(before);

    folder.write('key', server.private);
    await vi.waitFor(async () => expect(await shownSerial(port)).not.toBe(before), soon);
    expect(ended).not.toHaveBeenCalled();
  });

  it('ends a handshake that stops, and one that does not continue', async () => {
    const { server } = made;
    const tls = { cert: Buffer.from(server.cert), key: Buffer.from(server.private) };
    const { port } = await startListener({ tls, limits: { firstBytesMs: 100 } });
    const stopped = tcpClient(port);
    stopped.write(Buffer.from([0x16, 3, 1]));
    await once(stopped.resume(), 'close');
    const silent = await secureClient(port);
    await once(silent.resume(), 'close');
  });

  it('ends a flood of PINGs behind the handshake too', async () => {
    const { server } = made;
    const tls = { cert: Buffer.from(server.cert), key: Buffer.from(server.private) };
    const { port, logged } = await startListener({ tls, limits: { controlFramesMax: 100, closeGraceMs: 50 } });
    const socket = await secureClient(port, { ALPNProtocols: ['h2'] });
    socket.resume();
    const ping = frame(FrameType.PING, 0, 0, Buffer.alloc(8));
    socket.write(Buffer.concat([preface, frame(FrameType.SETTINGS, 0, 0)]));
    const flood = setInterval(() => socket.write(Buffer.concat(Array.from({ length: 20 }, () => ping))), 2);
    onTestFinished(() => clearInterval(flood));
    // Writing to a connection that has just been ended is an error.
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('close', resolve));
    expect(logged).toContain('closed an HTTP/2 connection for a flood of PING or SETTINGS frames');
  });

  it('closes what is left when it is drained, handshakes included', async () => {
    const { port, proxy } = await start();
    const handshake = tcpClient(port);
    const idle = await secureClient(port);
    const ends = [once(handshake.resume(), 'close'), once(idle.resume(), 'close')];
    await proxy.close(0);
    await Promise.all(ends);
  });
});
