import { once } from 'node:events';
import { type AddressInfo, isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions as TlsServerOptions } from 'node:tls';
import type { GenerateResult } from 'selfsigned';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Channel, channelDefaults } from '../../src/remoting/channel.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import {
  connectTimeoutMsDefault,
  type DialOptions,
  dial,
  splitAddress,
  type TlsOptions,
} from '../../src/remoting/dial.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
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

  describe('to a name', () => {
    const inner = '169.254.169.254';
    let asked: string[];
    beforeEach(() => {
      asked = [];
    });

    /** Answers with the next of these, and with the last for ever. */
    function resolver(...answers: readonly (readonly string[])[]): LookupFunction {
      const rest = [...answers];
      return (name, _, done) => {
        asked.push(name);
        const ips = (rest.length > 1 ? rest.shift() : rest[0]) ?? [];
        const found = ips.map((address) => ({ address, family: isIP(address) }));
        done(null, found);
      };
    }

    const named = (): string => `mq.example:${server.port}`;
    const ipAllowed = (ip: string, address: string): boolean => address === named() && ip !== inner;

    test('connects to what was checked, however the answers change: one look-up for each connection', async () => {
      const lookup = resolver(['127.0.0.1'], [inner]);
      const channel = await dial(named(), { ...options, lookup, ipAllowed }, soon());
      const peer = new ServerSide(await server.accept());
      await exchange(channel, peer);
      expect(asked).toEqual(['mq.example']);
      await expect(dial(named(), { ...options, lookup, ipAllowed }, soon())).rejects.toMatchObject({
        kind: 'connect',
        message: `cannot connect to ${named()}: its name stands for addresses that are not allowed`,
      });
      await exchange(channel, peer);
      expect(asked).toHaveLength(2);
      channel.close();
    });

    test('leaves out addresses that are not allowed, and follows a name that has moved', async () => {
      const lookup = resolver(['127.0.0.9'], [inner, '127.0.0.1']);
      await expect(dial(named(), { ...options, lookup, ipAllowed }, soon())).rejects.toMatchObject({ kind: 'connect' });
      const channel = await dial(named(), { ...options, lookup, ipAllowed }, soon());
      await exchange(channel, new ServerSide(await server.accept()));
      channel.close();
    });

    test('takes one address alone, as resolvers give that do not know of many', async () => {
      const lookup: LookupFunction = (_, __, done) => done(null, '127.0.0.1', 4);
      const channel = await dial(named(), { ...options, lookup, ipAllowed }, soon());
      await exchange(channel, new ServerSide(await server.accept()));
      channel.close();
    });

    test('fails as the look-up does', async () => {
      const failure = Object.assign(new Error('not known'), { code: 'ENOTFOUND' });
      const lookup: LookupFunction = (_, __, done) => done(failure, []);
      await expect(dial(named(), { ...options, lookup }, soon())).rejects.toMatchObject({
        message: `cannot connect to ${named()}: ENOTFOUND`,
      });
    });
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
  let certificates: Certificates;
  beforeAll(async () => {
    certificates = await makeCertificates();
  });

  interface TlsServer {
    readonly address: string;
    readonly port: number;
    accept(): Promise<TLSSocket>;
    close(): void;
  }

  async function startTlsServer(changes: TlsServerOptions = {}): Promise<TlsServer> {
    const { private: key, cert } = certificates.server;
    const tls = createTlsServer({ key, cert, ...changes });
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

  /** What it takes to connect, but for one thing. */
  const trusting = () => ({ ca: certificates.authority.cert });
  const showing = ({ cert, private: key }: GenerateResult) => ({ ...trusting(), cert, key });

  async function connects(to: TlsServer, tls: TlsOptions, address = to.address): Promise<TLSSocket> {
    const channel = await dial(address, { ...options, tls }, soon());
    const socket = await to.accept();
    await exchange(channel, new ServerSide(socket));
    channel.close();
    await channel.closed;
    return socket;
  }

  test('connects where the authority and the address are right', async () => {
    const socket = await connects(tlsServer, trusting());
    expect(socket.getProtocol()).toBe('TLSv1.3');
  });

  test('asks for the name that it connects to, and for another where it is told so', async () => {
    const names: string[] = [];
    const SNICallback: TlsServerOptions['SNICallback'] = (name, done) => {
      names.push(name);
      done(null);
    };
    for (const tls of [trusting(), { ...trusting(), servername: 'broker.example' }]) {
      const own = await startTlsServer({ SNICallback });
      await connects(own, tls, `localhost:${own.port}`);
      own.close();
    }
    expect(names).toEqual(['localhost', 'broker.example']);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('shows a client certificate where it has one: %s', async (version) => {
    const own = await startTlsServer({ ...wantsClient(), minVersion: version, maxVersion: version });
    const socket = await connects(own, showing(certificates.client));
    expect(socket.getPeerCertificate().subject.CN).toBe('client');
    own.close();
  });

  const wantsClient = (): TlsServerOptions => ({ requestCert: true, ca: certificates.authority.cert });

  test('takes any certificate only where it is told to', async () => {
    await connects(tlsServer, { rejectUnauthorized: false });
  });

  async function refusal(to: TlsServer, tls: TlsOptions, address = to.address): Promise<unknown> {
    return dial(address, { ...options, tls }, soon()).catch((error: unknown) => error);
  }

  test('says that the authority of a server is unknown', async () => {
    const reason =
      /: its certificate is of an authority that is not trusted here: give that one as tls\.ca \([A-Z_]+\)$/;
    const unknown = { kind: 'connect', message: expect.stringMatching(reason) };
    expect(await refusal(tlsServer, { ca: certificates.stranger.cert })).toMatchObject(unknown);
    expect(await refusal(tlsServer, {})).toMatchObject({ ...unknown, address: tlsServer.address });
    const { private: key, cert } = certificates.stranger;
    const selfSigned = await startTlsServer({ key, cert });
    expect(await refusal(selfSigned, trusting())).toMatchObject(unknown);
    selfSigned.close();
  });

  test('says that the certificate is for other names', async () => {
    const mismatch = {
      kind: 'connect',
      message: expect.stringMatching(
        /: its certificate is for other host names: .* tls\.servername \(ERR_TLS_CERT_ALTNAME/,
      ),
    };
    expect(await refusal(tlsServer, { ...trusting(), servername: 'other.example' })).toMatchObject(mismatch);
    const { private: key, cert } = certificates.client;
    const nameless = await startTlsServer({ key, cert });
    expect(await refusal(nameless, trusting())).toMatchObject(mismatch);
    nameless.close();
  });

  test('says that the certificate has expired', async () => {
    const { private: key, cert } = certificates.expired;
    const old = await startTlsServer({ key, cert });
    expect(await refusal(old, trusting())).toMatchObject({
      kind: 'connect',
      message: expect.stringMatching(/: its certificate has expired \(CERT_HAS_EXPIRED\)$/),
    });
    old.close();
  });

  test('says that a server wants no version of TLS that is safe', async () => {
    const old = await startTlsServer({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    expect(await refusal(old, trusting())).toMatchObject({
      kind: 'connect',
      message: expect.stringMatching(/: it speaks no version of TLS that is allowed here, 1\.2 or newer \(/),
    });
    old.close();
  });

  /** By TLS 1.3 a refusal comes after the handshake, and then fails what was asked meanwhile. */
  async function clientRefusal(version: 'TLSv1.2' | 'TLSv1.3', tls: TlsOptions): Promise<unknown> {
    const own = await startTlsServer({ ...wantsClient(), minVersion: version, maxVersion: version });
    try {
      const channel = await dial(own.address, { ...options, tls }, soon());
      return await channel.invoke({ code: 34, extFields: {} }, soon()).catch((error: unknown) => error);
    } catch (error) {
      return error;
    } finally {
      own.close();
    }
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('says that a client certificate is missing: %s', async (version) => {
    expect(await clientRefusal(version, trusting())).toMatchObject({
      kind: 'connect',
      outcomeUnknown: false,
      message: expect.stringMatching(/^cannot connect to .*it wants a client certificate: give one as tls\.cert/),
    });
  });
});

describe('a name with several addresses', () => {
  const lookupOf =
    (...addresses: string[]): LookupFunction =>
    (_name, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      );

  test.each([
    ['plain', undefined],
    ['by TLS', { rejectUnauthorized: false }],
  ])('is tried at one after the other: %s', async (_, tls) => {
    // Nobody listens at the first.
    const lookup = lookupOf('127.0.0.2', '127.0.0.1');
    const { private: key, cert } = (await makeCertificates()).server;
    const there = createTlsServer({ key, cert });
    there.listen(0, '127.0.0.1');
    await once(there, 'listening');
    const port = tls === undefined ? server.port : (there.address() as AddressInfo).port;
    const channel = await dial(`brokers.example:${port}`, { ...options, lookup, tls }, soon());
    channel.close();
    there.close();
  });

  test('fails where nobody answers at any', async () => {
    const gone = await startLoopbackServer();
    await gone.close();
    const lookup = lookupOf('127.0.0.2', '127.0.0.1');
    await expect(dial(`brokers.example:${gone.port}`, { ...options, lookup }, soon())).rejects.toMatchObject({
      kind: 'connect',
      message: `cannot connect to brokers.example:${gone.port}: ECONNREFUSED`,
    });
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
