import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { FrameType } from '../src/http2/frame.ts';
import { SettingId } from '../src/http2/settings.ts';
import { RequestCode } from '../src/remoting/request-code.ts';
import { ResponseCode } from '../src/remoting/response-code.ts';
import { Row } from './faults/figures.ts';
import { makeCertificates } from './support/certificates.ts';
import { ProxyClient } from './support/grpc-client.ts';
import { greetedClient } from './support/http2-frames.ts';
import { CompiledServer, type LogLine } from './support/server-process.ts';
import { SettingFolder } from './support/setting-files.ts';
import { clientOf, startTestCluster } from './support/started-proxy.ts';

const { SEND_MESSAGE_V2 } = RequestCode;

/** A mistake of ours at its worst: it throws, where nobody catches it, what has every setting in it. */
const crash = `process.on('SIGUSR2', () => { throw Object.assign(new Error('a fault'), { environment: { ...process.env } }) })`;

const sealKey = randomBytes(32).toString('hex');
const canaries = {
  ROCKETMQ_ACCESS_KEY_ID: 'canary-access-key',
  ROCKETMQ_ACCESS_KEY_SECRET: 'canary-secret-key',
  PROXY_REMOTING_KEYS: 'canary-remoting-key:canary-remoting-secret',
  PROXY_SEAL_KEY: sealKey,
};

describe('the server', { timeout: 60_000 }, () => {
  let compiled: CompiledServer;

  beforeAll(() => {
    compiled = new CompiledServer();
  }, 60_000);

  afterAll(() => compiled.remove());

  const messagesOf = (log: readonly LogLine[], level?: string): unknown[] =>
    log.filter((line) => level === undefined || line['level'] === level).map(({ message }) => message);

  /** A port that another program has. */
  async function takenPort(): Promise<string> {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const address = other.address();
    return String(typeof address === 'object' ? address?.port : address);
  }

  describe('starts', () => {
    it('without endpoint and engine: says where it serves, that no endpoint is set, and what to try', async () => {
      const server = compiled.start();
      const { grpcUrl, statusUrl } = await server.serves();
      await server.logged('try: curl');
      expect(messagesOf(server.log, 'warn')).toEqual([
        expect.stringContaining('PROXY_DATA_DIR is memory, so ids and receipt handles are sealed under a random key'),
        expect.stringContaining('there is no default endpoint: clients must name theirs, or set ROCKETMQ_ENDPOINT'),
      ]);
      const [, command = ''] = /try: (curl .*)$/.exec(String(messagesOf(server.log).at(-1))) ?? [];
      expect(command).toContain(`${grpcUrl}/rocketmq.RocketMQProxy/HealthCheck`);
      const response = await fetch(`${grpcUrl}/rocketmq.RocketMQProxy/HealthCheck`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });
      expect(await response.json()).toEqual({ healthy: true, message: 'the proxy serves' });
      expect((await fetch(`${statusUrl}/readyz`)).status).toBe(200);
      expect(await (await fetch(`${statusUrl}/metrics`)).json()).toMatchObject({ total_connections: 1 });
      expect(server.errors).toBe('');
    });

    it('with an endpoint: ready once that answers, and used by who names none', async () => {
      const { cluster } = await startTestCluster();
      const server = compiled.start({
        ROCKETMQ_ENDPOINT: `http://${cluster.nameServer.address}`,
        ENABLE_METRICS: 'false',
      });
      const { port, statusUrl } = await server.serves();
      await vi.waitFor(async () => expect((await fetch(`${statusUrl}/readyz`)).status).toBe(200), { timeout: 20_000 });
      expect((await clientOf(port).createProducer({ topic: 'topic' })).success).toBe(true);
      expect((await fetch(`${statusUrl}/metrics`)).status).toBe(404);
      expect(messagesOf(server.log, 'warn')).toHaveLength(1);
    });

    it('with an engine where no endpoint is set: says where it is and what to try, and a first message comes through', async () => {
      const server = compiled.start({ PROXY_EMBEDDED: 'auto', PROXY_REMOTING_PORT: '0' });
      const { port, statusUrl } = await server.serves();
      const { nameServer } = await server.logged('the embedded engine serves the remoting protocol');
      expect(nameServer).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
      await vi.waitFor(async () => expect((await fetch(`${statusUrl}/readyz`)).status).toBe(200), { timeout: 20_000 });
      const client = new ProxyClient(`127.0.0.1:${port}`);
      onTestFinished(() => client.close());
      const { stream } = await client.subscribe('orders', 'shop');
      const producer_id = await client.createProducer('orders');
      await client.send('SendMessage', { producer_id, message_body: 'order 4711' });
      expect(await stream.take(1)).toMatchObject([{ message_body: 'order 4711' }]);
      stream.cancel();
      expect(server.errors).toContain(String(nameServer));
      server.kill('SIGTERM');
      expect(await server.exited).toEqual({ code: 0, signal: null });
    });

    it('and names settings of the replaced product that have no effect, once', async () => {
      const server = compiled.start({ BATCH_SIZE: '10', WORKER_POOL_SIZE: '4', PULL_INTERVAL: '' });
      await server.serves();
      expect(server.log.filter(({ settings }) => settings !== undefined)).toMatchObject([
        { level: 'warn', settings: ['WORKER_POOL_SIZE', 'BATCH_SIZE'] },
      ]);
    });

    it.each<[string, Record<string, string>, string[], boolean]>([
      ['our own core', {}, [], false],
      ['our own core where it is told to', {}, ['--http2-engine', 'own'], false],
      ['Node where it is told to', {}, ['--http2-engine', 'node'], true],
      ['Node where a variable says so', { PROXY_HTTP2_ENGINE: 'Node' }, [], true],
    ])('and serves HTTP/2 by %s', async (_, environment, args, isNode) => {
      const server = compiled.start(environment, args);
      const { port } = await server.serves();
      const client = await greetedClient(port);
      const { payload } = await client.next((one) => one.type === FrameType.SETTINGS && one.payload.length > 0);
      const ids = Array.from({ length: payload.length / 6 }, (_none, index) => payload.readUInt16BE(6 * index));
      // Only Node says that it pushes nothing.
      expect(ids.includes(SettingId.ENABLE_PUSH)).toBe(isNode);
      expect(await clientOf(port).healthCheck({})).toMatchObject({ healthy: true });
    });

    it('for everybody where it is told which endpoints they may name', async () => {
      const server = compiled.start({ PROXY_HOST: '0.0.0.0', PROXY_ALLOWED_ENDPOINTS: '*' });
      const { port } = await server.serves();
      expect(await clientOf(port).healthCheck({})).toMatchObject({ healthy: true });
    });

    const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'));
    it.skipIf(!hasIpv6)('on an IPv6 address, of which it writes URLs that can be used', async () => {
      const { grpcUrl, statusUrl } = await compiled.start({ PROXY_HOST: '::1' }).serves();
      expect(grpcUrl).toMatch(/^http:\/\/\[::1\]:\d+$/);
      expect((await fetch(`${statusUrl}/livez`)).status).toBe(200);
    });
  });

  describe('does not start', () => {
    it.each<[string, Record<string, string>, string[], string]>([
      ['an unknown flag', {}, ['--nonsense'], '--nonsense'],
      ['a way of serving HTTP/2 that there is not', {}, ['--http2-engine', 'nodejs'], 'one of own, node'],
      ['a variable that is not allowed', { MAX_CONCURRENT: '0' }, [], 'MAX_CONCURRENT: "0" is not allowed'],
    ])('with %s: ends with 2 and names it', async (_, environment, args, text) => {
      const server = compiled.start(environment, args);
      expect(await server.exited).toEqual({ code: 2, signal: null });
      expect(server.errors).toContain(text);
      expect(server.output).toBe('');
    });

    it.each(['GRPC_PORT', 'METRICS_PORT'])(
      'on a port that is in use: ends with 1 and names port and %s',
      async (name) => {
        const port = await takenPort();
        const server = compiled.start({ [name]: port });
        expect(await server.exited).toEqual({ code: 1, signal: null });
        expect(server.errors).toBe(
          `rocketmq-grpc-proxy: cannot listen on 127.0.0.1, port ${port}: another program has this port; set ${name} to a free one, or to 0 for any\n`,
        );
      },
    );

    it.each<[string, Record<string, string>, string]>([
      ['for everybody without a word on endpoints', { PROXY_HOST: '0.0.0.0' }, 'PROXY_ALLOWED_ENDPOINTS'],
      ['with an endpoint that is none', { ROCKETMQ_ENDPOINT: 'a:b' }, 'ROCKETMQ_ENDPOINT: the endpoint is malformed'],
      ['with a weak seal key', { PROXY_SEAL_KEY: 'ab'.repeat(32) }, 'PROXY_SEAL_KEY is weak'],
      [
        'with a certificate that is not there',
        { PROXY_TLS_CERT_FILE: '/nowhere', PROXY_TLS_KEY_FILE: '/no' },
        '/nowhere',
      ],
      ['as one of several instances without a seal key', { PROXY_PEER_HOST: '10.0.0.1' }, 'PROXY_PEER_HOST is set, so'],
      ['with a seal key file that is not there', { PROXY_SEAL_KEY_FILE: '/nowhere' }, '/nowhere'],
    ])('%s: ends with 1 and says what to set', async (_, environment, text) => {
      const server = compiled.start(environment);
      expect(await server.exited).toEqual({ code: 1, signal: null });
      expect(server.errors).toContain(text);
      expect(server.errors).not.toMatch(/^\s+at |abab/m);
    });
  });

  it('answers --help on its standard output and ends with 0', async () => {
    const server = compiled.start({}, ['--help']);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.output).toContain('gRPC, gRPC-web and Connect in front of Apache RocketMQ');
    expect(server.errors).toBe('');
  });

  describe('ends', () => {
    it('with 0 on SIGTERM', async () => {
      const server = compiled.start();
      const { statusUrl } = await server.serves();
      server.kill('SIGTERM');
      expect(await server.exited).toEqual({ code: 0, signal: null });
      expect(messagesOf(server.log).slice(-2)).toEqual(['shutting down', 'the proxy has ended']);
      await expect(fetch(`${statusUrl}/livez`)).rejects.toThrow();
    });

    it('at once, with 1, on a second signal', async () => {
      const { cluster } = await startTestCluster();
      const server = compiled.start({ PROXY_DRAIN_TIMEOUT: '1h' });
      const { port, statusUrl } = await server.serves();
      const client = clientOf(port);
      const { producerId } = await client.createProducer({ endpoint: cluster.nameServer.address, topic: 'topic' });
      cluster.broker.on(SEND_MESSAGE_V2, () => undefined);
      // Connect's client now and then does not notice that a server has gone behind its GOAWAY.
      const sending = client.sendMessage({ producerId, messageBody: 'x' }, { timeoutMs: 20_000 }).catch(() => 'failed');
      await cluster.broker.request(SEND_MESSAGE_V2);
      server.kill('SIGINT');
      await server.logged('shutting down');
      expect((await fetch(`${statusUrl}/readyz`)).status).toBe(503);
      server.kill('SIGINT');
      expect(await server.exited).toEqual({ code: 1, signal: null });
      expect(await sending).toBe('failed');
    });

    it('not because a promise failed that nobody waited for', async () => {
      const preload = `process.on('SIGUSR2', () => { Promise.reject(new Error('nobody waits for this')); });`;
      const server = compiled.start({}, [], ['--import', `data:text/javascript,${encodeURIComponent(preload)}`]);
      const { port, statusUrl } = await server.serves();
      server.kill('SIGUSR2');
      const line = await server.logged('a promise failed that nobody waited for');
      expect([line['level'], line['err']]).toEqual([
        'error',
        { name: 'Error', message: 'nobody waits for this', at: expect.stringContaining('at ') },
      ]);
      expect(await clientOf(port).healthCheck({})).toMatchObject({ healthy: true });
      expect(await (await fetch(`${statusUrl}/metrics`)).json()).toMatchObject({ error_count: 1 });
    });
  });

  it('writes JSON lines and no secret, at any level, whatever fails', async () => {
    const { cluster, pop } = await startTestCluster();
    const endpoint = cluster.nameServer.address;
    const sealKey = 'c0ffee5ea1c0ffee5ea1'.padEnd(64, '0123456789abcdef');
    const secrets = ['canary-secret-1', 'canary-secret-2', 'canary-body', 'canary-value', sealKey];
    const server = compiled.start({
      ROCKETMQ_LOG_LEVEL: 'debug',
      ROCKETMQ_ENDPOINT: endpoint,
      ROCKETMQ_ACCESS_KEY_ID: 'id',
      ROCKETMQ_ACCESS_KEY_SECRET: 'canary-secret-1',
      PROXY_SEAL_KEY: sealKey,
    });
    const client = new ProxyClient(`127.0.0.1:${(await server.serves()).port}`);
    onTestFinished(() => client.close());
    const attempt = (work: Promise<unknown>): Promise<unknown> => work.catch(() => {});
    const keys = { access_key_id: 'id', access_key_secret: 'canary-secret-2' };
    const message = { message_body: 'canary-body', properties: { properties: { name: 'canary-value' } } };

    const producerIds = [await client.createProducer('topic'), await client.createProducer('topic', keys)];
    const consumerId = await client.createConsumer('topic', 'g', keys);
    await attempt(client.createProducer('other', keys));
    await attempt(client.createProducer('topic', { ...keys, endpoint: '127.0.0.1:1' }));
    await attempt(client.createProducer('topic', { ...keys, endpoint: 'canary:secret@x' }));
    await attempt(client.createProducer('topic', { ...keys, access_key_secret: 'canary-secret-2'.repeat(100) }));
    await attempt(client.createConsumer('topic', 'g', { ...keys, tag_expression: 'a||' }));
    for (const code of [ResponseCode.SUCCESS, ResponseCode.NO_PERMISSION, ResponseCode.SYSTEM_ERROR, 999]) {
      if (code !== ResponseCode.SUCCESS) cluster.broker.on(SEND_MESSAGE_V2, () => ({ code, remark: 'refused' }));
      for (const producer_id of [...producerIds, 'x'])
        await attempt(client.send('SendMessage', { producer_id, ...message }));
    }
    const properties = { properties: { 'a\u0001': 'canary-value' } };
    await attempt(client.send('SendMessage', { producer_id: producerIds[0] ?? '', message_body: 'x', properties }));
    const stream = client.receive(consumerId);
    pop.arrive([{ body: Buffer.from('canary-body') }]);
    const [received] = await stream.take(1);
    if (received === undefined) throw new Error('nothing was received');
    await attempt(
      client.call('AckMessage', { consumer_id: consumerId, receipt_handle: `${received.receipt_handle}x` }),
    );
    cluster.broker.on(RequestCode.ACK_MESSAGE, () => ({ code: 999, remark: 'refused' }));
    await attempt(client.ack(consumerId, received));
    stream.cancel();
    await cluster.stop();
    await attempt(client.createProducer('topic', keys));
    server.kill('SIGTERM');
    await server.exited;

    expect(server.log.length).toBeGreaterThan(10);
    expect(messagesOf(server.log, 'debug').length).toBeGreaterThan(3);
    const written = server.output + server.errors;
    const ids = [...producerIds, consumerId, received.receipt_handle];
    for (const secret of [...secrets, ...ids]) expect(written).not.toContain(secret.slice(0, 60));
    expect(server.errors).toBe('');
  });

  it('R-65: processes tell no secret, neither to who lists them nor when they crash or refuse to start', {
    timeout: 120_000,
  }, async () => {
    const { server: certificate } = await makeCertificates();
    const folder = new SettingFolder();
    const settings = {
      ...canaries,
      ROCKETMQ_LOG_LEVEL: 'debug',
      PROXY_WORKERS: '2',
      PROXY_EMBEDDED: 'on',
      PROXY_REMOTING_PORT: '0',
      PROXY_TLS_CERT_FILE: folder.write('cert', certificate.cert),
      PROXY_TLS_KEY_FILE: folder.write('key', certificate.private),
    };
    const server = compiled.start(settings, [], ['--import', `data:text/javascript,${encodeURIComponent(crash)}`]);
    await server.serves();
    const workers = childrenOf(server.pid);
    const listed = [server.pid, ...workers].map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
    for (const pid of [...workers.slice(0, 1), server.pid]) {
      process.kill(pid, 'SIGUSR2');
      if (pid !== server.pid) await server.logged('a new worker serves');
    }
    const crashed = await server.exited;

    // What a user may try: a secret as an option, and files that hold something else.
    const tries = [
      compiled.start({}, [`--access-key-secret=${canaries.ROCKETMQ_ACCESS_KEY_SECRET}'`]),
      compiled.start({ ...settings, PROXY_TLS_CERT_FILE: settings.PROXY_TLS_KEY_FILE }),
      compiled.start({ ...settings, PROXY_TLS_KEY_FILE: folder.write('other', `-----BEGIN X-----\n${sealKey}\n`) }),
    ];
    const exits = await Promise.all(tries.map(({ exited }) => exited));
    const written = [server, ...tries].map(({ output, errors }) => output + errors).join('\n');
    const all = [...listed, written].join('\n');
    const keyLines = certificate.private.split('\n').filter((line) => /^[\w+/=]{20,}$/.test(line));
    const parts = [...Object.values(canaries).flatMap((secret) => secret.split(':')), ...keyLines];
    const hits = parts.filter((part) => all.includes(part));
    new Row('R-65')
      .exactly('processes listed', listed.length, 3)
      .exactly('processes that crashed', (written.match(/^rocketmq-grpc-proxy: Error: a fault$/gm) ?? []).length, 2)
      .exactly('starts refused', exits.filter(({ code }) => code === 1 || code === 2).length, tries.length)
      .tell('characters of command lines, log and crashes', all.length)
      .exactly('secrets in them', hits.length, 0)
      .judge();
    expect(crashed).toEqual({ code: 1, signal: null });
    expect(keyLines.length).toBeGreaterThan(1);
  });
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}
