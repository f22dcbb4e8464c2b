import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { type GenerateResult, generate } from 'selfsigned';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Channel, channelDefaults } from '../../src/remoting/channel.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { connectTimeoutMsDefault, type DialOptions, dial, splitAddress } from '../../src/remoting/dial.ts';
import { type LoopbackServer, ServerSide, startLoopbackServer } from '../support/loopback-server.ts';

const options: DialOptions = { ...channelDefaults, connectTimeoutMs: connectTimeoutMsDefault };
const soon = () => Deadline.after(10_000);

let server: LoopbackServer;
beforeEach(async () => {
  server = await startLoopbackServer();
});
afterEach(async () => {
  await server.close();
});

/** A request that goes there and a reply that comes back. */
async function exchange(channel: Channel, peer: ServerSide): Promise<void> {
  const reply = channel.invoke({ code: 34, extFields: {} }, soon());
  const request = await peer.next();
  expect(request.code).toBe(34);
  peer.reply(request, { remark: 'hello' });
  expect((await reply).remark).toBe('hello');
}

describe('dial', () => {
  test('opens a channel that works', async () => {
    const channel = await dial(server.address, options, soon());
    expect(channel.address).toBe(server.address);
    await exchange(channel, new ServerSide(await server.accept()));
    channel.close();
  });

  test.skipIf(!hasIpv6())('opens a channel to an IPv6 address in brackets', async () => {
    const server6 = await startLoopbackServer('::1');
    expect(server6.address).toMatch(/^\[::1\]:\d+$/);
    const channel = await dial(server6.address, options, soon());
    await exchange(channel, new ServerSide(await server6.accept()));
    channel.close();
    await server6.close();
  });

  test('opens a channel to a name', async () => {
    const channel = await dial(`localhost:${server.port}`, options, soon());
    await exchange(channel, new ServerSide(await server.accept()));
    channel.close();
  });

  test('names the address and the reason where nobody listens', async () => {
    const gone = await startLoopbackServer();
    await gone.close();
    await expect(dial(gone.address, options, soon())).rejects.toMatchObject({
      name: 'RemotingError',
      kind: 'connect',
      address: gone.address,
      outcomeUnknown: false,
      message: `cannot connect to ${gone.address}: ECONNREFUSED`,
      cause: { code: 'ECONNREFUSED' },
    });
  });

  test('names the address where a name is unknown', async () => {
    await expect(dial('no-such-host.invalid:9876', options, soon())).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringMatching(/^cannot connect to no-such-host\.invalid:9876: E/),
    });
  });

  test.each([
    ['its own time', { connectTimeoutMs: 50 }, 60_000],
    ['the time of its caller', { connectTimeoutMs: 60_000 }, 50],
  ])(
    'gives up after %s where nobody answers, and leaves no connection',
    async (_, { connectTimeoutMs }, deadlineMs) => {
      // A TCP server that says nothing never ends the handshake of TLS.
      const dialing = dial(server.address, { ...options, connectTimeoutMs, tls: {} }, Deadline.after(deadlineMs));
      const failure = expect(dialing).rejects.toMatchObject({
        kind: 'connect',
        message: `cannot connect to ${server.address}: no answer in time`,
        cause: { kind: 'timeout' },
      });
      const silent = await server.accept();
      const silentClosed = once(silent.resume(), 'close');
      await failure;
      await silentClosed;
    },
  );

  test('gives up with its caller, and leaves no connection', async () => {
    const controller = new AbortController();
    const dialing = dial(server.address, { ...options, tls: {} }, Deadline.after(60_000, controller.signal));
    const failure = expect(dialing).rejects.toMatchObject({ kind: 'cancelled' });
    const silent = await server.accept();
    const silentClosed = once(silent.resume(), 'close');
    controller.abort();
    await failure;
    await silentClosed;
  });

  test('does not begin for a caller that has given up, or has no time left', async () => {
    const aborted = Deadline.after(60_000, AbortSignal.abort());
    await expect(dial(server.address, options, aborted)).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(dial(server.address, options, Deadline.after(0))).rejects.toMatchObject({ kind: 'timeout' });
    const channel = await dial(server.address, options, soon());
    await exchange(channel, new ServerSide(await server.accept()));
    channel.close();
  });

  test('fails when the server hangs up during the handshake', async () => {
    const dialing = dial(server.address, { ...options, tls: {} }, soon());
    const failure = expect(dialing).rejects.toMatchObject({ kind: 'connect', address: server.address });
    (await server.accept()).destroy();
    await failure;
  });

  test('fails on a server without TLS', async () => {
    const dialing = dial(server.address, { ...options, tls: {} }, soon());
    const failure = expect(dialing).rejects.toMatchObject({
      kind: 'connect',
      cause: { code: expect.stringMatching(/^ERR_SSL_/) },
    });
    (await server.accept()).write('HTTP/1.1 400 Bad Request\r\n\r\n');
    await failure;
  });
});

describe('dial by TLS', () => {
  let authority: GenerateResult;
  let stranger: GenerateResult;
  let certificate: GenerateResult;
  beforeAll(async () => {
    const ca = [{ name: 'basicConstraints' as const, cA: true, critical: true }];
    const ec = { keyType: 'ec' as const, algorithm: 'sha256' };
    authority = await generate([{ name: 'commonName', value: 'a CA' }], { ...ec, extensions: ca });
    stranger = await generate([{ name: 'commonName', value: 'another CA' }], { ...ec, extensions: ca });
    certificate = await generate([{ name: 'commonName', value: 'broker' }], {
      ...ec,
      ca: { key: authority.private, cert: authority.cert },
      extensions: [
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: 'broker.example' },
            { type: 7, ip: '127.0.0.1' },
          ],
        },
      ],
    });
  });

  interface TlsServer {
    readonly address: string;
    readonly port: number;
    accept(): Promise<TLSSocket>;
    close(): void;
  }

  async function startTlsServer(clientAuthority?: string): Promise<TlsServer> {
    const required = clientAuthority === undefined ? {} : { requestCert: true, ca: clientAuthority };
    const tls = createTlsServer({ key: certificate.private, cert: certificate.cert, ...required });
    tls.on('tlsClientError', () => {});
    tls.listen(0, '127.0.0.1');
    await once(tls, 'listening');
    const { port } = tls.address() as AddressInfo;
    const accepted = once(tls, 'secureConnection');
    return {
      address: `127.0.0.1:${port}`,
      port,
      accept: async () => (await accepted)[0] as TLSSocket,
      close: () => tls.close(),
    };
  }

  let tlsServer: TlsServer;
  beforeEach(async () => {
    tlsServer = await startTlsServer();
  });
  afterEach(() => {
    tlsServer.close();
  });

  test('connects where the authority and the address are right', async () => {
    const channel = await dial(tlsServer.address, { ...options, tls: { ca: authority.cert } }, soon());
    await exchange(channel, new ServerSide(await tlsServer.accept()));
    channel.close();
    await channel.closed;
  });

  test('checks the server name that it is told instead of the address', async () => {
    const tls = { ca: authority.cert, servername: 'broker.example' };
    const channel = await dial(tlsServer.address, { ...options, tls }, soon());
    await exchange(channel, new ServerSide(await tlsServer.accept()));
    channel.close();
    await channel.closed;
  });

  test('shows a client certificate where it has one', async () => {
    const own = await startTlsServer(authority.cert);
    const tls = { ca: authority.cert, cert: certificate.cert, key: certificate.private };
    const channel = await dial(own.address, { ...options, tls }, soon());
    await exchange(channel, new ServerSide(await own.accept()));
    channel.close();
    await channel.closed;
    own.close();
  });

  test('refuses a server of another authority, or of none it knows', async () => {
    for (const tls of [{ ca: stranger.cert }, {}]) {
      await expect(dial(tlsServer.address, { ...options, tls }, soon())).rejects.toMatchObject({
        kind: 'connect',
        address: tlsServer.address,
        message: expect.stringContaining('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
      });
    }
  });

  test('refuses a server of another name', async () => {
    const byName = { ...options, tls: { ca: authority.cert, servername: 'other.example' } };
    const mismatch = { kind: 'connect', cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' } };
    await expect(dial(tlsServer.address, byName, soon())).rejects.toMatchObject(mismatch);
    const byAddress = { ...options, tls: { ca: authority.cert } };
    await expect(dial(`localhost:${tlsServer.port}`, byAddress, soon())).rejects.toMatchObject(mismatch);
  });
});

describe('splitAddress', () => {
  test.each([
    ['127.0.0.1:9876', '127.0.0.1', 9876],
    ['broker-a.example:1', 'broker-a.example', 1],
    ['[::1]:10911', '::1', 10911],
    ['[fe80::1%eth0]:65535', 'fe80::1%eth0', 65535],
  ])('takes %s apart', (address, host, port) => {
    expect(splitAddress(address)).toEqual({ host, port });
  });

  test.each([
    ...[
      '',
      ':',
      'host',
      'host:',
      ':9876',
      'host:0',
      'host:65536',
      'host:999999',
      'host:-1',
      'host:9876:1',
      'host:98x',
      'host: 1',
      'a host:1',
    ],
    ...[
      '::1:9876',
      '[::1]',
      '[::1]:',
      '[]:1',
      '[::1:1',
      '::1]:1',
      'http://host:9876',
      'host:9876;other:9876',
      'host:9876\n',
    ],
  ])('refuses %j', async (address) => {
    const refusal = { kind: 'malformed', address, message: `${JSON.stringify(address)} is not host:port` };
    expect(() => splitAddress(address)).toThrow(expect.objectContaining(refusal));
    await expect(dial(address, options, soon())).rejects.toMatchObject(refusal);
  });
});

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
}
