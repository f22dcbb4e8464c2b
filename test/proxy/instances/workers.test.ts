import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { type CallCredentials, type ChannelCredentials, credentials, Metadata, status } from '@grpc/grpc-js';
import type { GenerateResult } from 'selfsigned';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { fileCheckIntervalMs } from '../../../src/proxy/watched-files.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { failureOf, ProxyClient } from '../../support/grpc-client.ts';
import { CompiledServer, type ServerProcess } from '../../support/server-process.ts';
import { SettingFolder } from '../../support/setting-files.ts';

const compiled = new CompiledServer();
afterAll(() => compiled.remove());

/** Two workers in front of an engine, on any ports. */
function startWorkers(environment: Readonly<Record<string, string>> = {}): ServerProcess {
  return compiled.start({ PROXY_WORKERS: '2', PROXY_EMBEDDED: 'on', PROXY_REMOTING_PORT: '0', ...environment });
}

function clientOf(port: number, by?: ChannelCredentials): ProxyClient {
  const client = new ProxyClient(`127.0.0.1:${port}`, {}, by);
  onTestFinished(() => client.close());
  return client;
}

/** One token, of somebody who may do everything. */
function tokensOf(token: string): string {
  const sha256 = createHash('sha256').update(token).digest('hex');
  return JSON.stringify({ tokens: [{ name: 'app', sha256, publish: ['*'], subscribe: ['*'], groups: ['*'] }] });
}

function bearer(token: string): CallCredentials {
  return credentials.createFromMetadataGenerator((_, done) => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    done(null, metadata);
  });
}

/** For Node: nobody looks at files of settings because it is time. */
const unwatched = `
  const { setInterval: own } = globalThis;
  globalThis.setInterval = (work, delayMs, ...given) => own(work, delayMs === ${fileCheckIntervalMs} ? 1e9 : delayMs, ...given);
`;

/** Waits until both serve again. */
async function newWorkers(server: ServerProcess): Promise<void> {
  const startedCount = () => server.log.filter(({ message }) => message === 'a new worker serves').length;
  await expect.poll(startedCount, { timeout: 30_000 }).toBe(2);
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

describe('workers', { timeout: 90_000 }, () => {
  it('serve one port, know each other’s ids, and settle what another one handed out', async () => {
    const server = startWorkers();
    const { port, statusUrl } = await server.serves();
    // Connections go to the workers in turn.
    const [one, other] = [clientOf(port), clientOf(port)];
    const producerId = await one.createProducer('topic');
    const consumerId = await one.createConsumer('topic', 'g');
    for (const client of [one, other]) await client.send('SendMessage', { producer_id: producerId, message_body: 'x' });
    const stream = one.receive(consumerId);
    const messages = await stream.take(2);
    for (const message of messages) await other.ack(consumerId, message);
    for (const message of messages) await one.ack(consumerId, message);
    stream.cancel();
    await other.send('SendMessage', { producer_id: producerId, message_body: 'next' });
    const [next] = await other.receive(consumerId).take(1);
    expect(next?.message_body).toBe('next');
    expect(await (await fetch(`${statusUrl}/metrics`)).json()).toMatchObject({
      active_connections: 2,
      messages_sent: 3,
      messages_received: 3,
    });
    expect(await (await fetch(`${statusUrl}/metrics?format=prometheus`)).text()).toContain('_messages_sent_total 3\n');
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('are replaced when they end, and ids outlive them', async () => {
    const server = startWorkers();
    const { port, statusUrl } = await server.serves();
    const producerId = await clientOf(port).createProducer('topic');
    const killed = childrenOf(server.pid);
    for (const pid of killed) process.kill(pid, 'SIGKILL');
    await newWorkers(server);
    expect(
      server.log.filter(({ message }) => message === 'a worker has ended and is replaced').map(({ pid }) => pid),
    ).toEqual(expect.arrayContaining(killed));
    expect((await fetch(`${statusUrl}/readyz`)).status).toBe(200);
    await clientOf(port).send('SendMessage', { producer_id: producerId, message_body: 'x' });
    server.kill('SIGINT');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('use what changed in files of settings when a signal says so, each of them, and have limits of clients of their own', async () => {
    const made = await makeCertificates();
    const [oldKey, newKey] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
    const folder = new SettingFolder();
    const server = compiled.start(
      {
        PROXY_WORKERS: '2',
        PROXY_EMBEDDED: 'on',
        PROXY_REMOTING_PORT: '0',
        PROXY_TLS_CERT_FILE: folder.write('cert', made.server.cert),
        PROXY_TLS_KEY_FILE: folder.write('key', made.server.private),
        PROXY_TLS_CLIENT_CA_FILE: folder.write('ca', made.authority.cert),
        PROXY_TOKENS_FILE: folder.write('tokens', tokensOf('old')),
        PROXY_SEAL_KEY_FILE: folder.write('keys', oldKey),
        PROXY_CLIENT_STREAMS: '1',
      },
      [],
      ['--import', `data:text/javascript,${encodeURIComponent(unwatched)}`],
    );
    const { port } = await server.serves();
    const tlsClientOf = (token: string, { cert, private: key }: GenerateResult): ProxyClient => {
      const [ca, ownKey, ownCert] = [made.authority.cert, key, cert].map((pem) => Buffer.from(pem));
      const secure = credentials.createSsl(ca, ownKey, ownCert);
      return clientOf(port, credentials.combineChannelCredentials(secure, bearer(token)));
    };
    // Connections go to the workers in turn.
    const [one, other] = [tlsClientOf('old', made.client), tlsClientOf('old', made.client)];
    const producer_id = await one.createProducer('topic');
    const consumerId = await other.createConsumer('topic', 'g');
    for (const client of [one, other]) {
      const [stream, excess] = [client.receive(consumerId), client.receive(consumerId)];
      expect((await excess.ended())?.code).toBe(status.RESOURCE_EXHAUSTED);
      expect(stream.isOpen).toBe(true);
    }

    folder.write('ca', made.stranger.cert);
    folder.write('tokens', tokensOf('new'));
    folder.write('keys', `${newKey}\n${oldKey}`);
    server.kill('SIGHUP');
    const usedCount = () => server.log.filter(({ message }) => String(message).includes('now is in use')).length;
    await expect.poll(usedCount, { timeout: 30_000 }).toBe(6);
    const send = async (token: string, by: GenerateResult) =>
      await tlsClientOf(token, by).send('SendMessage', { producer_id, message_body: 'x' });
    for (const _ of [one, other]) {
      expect(await failureOf(send('old', made.foreignClient))).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(await failureOf(send('new', made.client))).toMatchObject({ code: 'UNAVAILABLE' });
      await send('new', made.foreignClient);
    }
    for (const pid of childrenOf(server.pid)) process.kill(pid, 'SIGKILL');
    await newWorkers(server);
    await send('new', made.foreignClient);
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('do not start where one alone would not', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    for (const [environment, said] of [
      [{ GRPC_PORT: port }, `port ${port}: another program has this port; set GRPC_PORT`],
      [{ METRICS_PORT: port }, `port ${port}: another program has this port; set METRICS_PORT`],
      [{ PROXY_HOST: '0.0.0.0' }, 'PROXY_ALLOWED_ENDPOINTS'],
    ] as const) {
      const server = startWorkers(environment);
      expect(await server.exited).toEqual({ code: 1, signal: null });
      expect(server.errors).toContain(said);
      expect(server.errors).not.toMatch(/^\s+at /m);
    }
  });
});
