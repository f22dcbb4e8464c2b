import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { MQClient } from '../../../src/sdk/mq-client.ts';
import type { MQConfig } from '../../../src/sdk/mq-config.ts';
import type { MQError } from '../../../src/sdk/mq-error.ts';
import { startEmbedded } from '../../behaviour/embedded-target.ts';
import type { Target } from '../../behaviour/target.ts';
import { freePort } from '../../rocketmq/ports.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { startProxyHere } from '../../support/proxy-here.ts';
import { startProxyProcess, type TestedProxy } from '../../support/proxy-process.ts';
import { Inbox } from '../../support/sdk-inbox.ts';
import { SettingFolder } from '../../support/setting-files.ts';

// Proxies start, end and start again here.
vi.setConfig({ testTimeout: 120_000 });

const sealKey = randomBytes(32).toString('hex');

let cluster: Target;

beforeAll(async () => {
  cluster = await startEmbedded({});
});

afterAll(() => cluster?.stop());

/** A proxy in this process; stopped when the test ends. */
async function startProxy(settings: Readonly<Record<string, string>> = {}): Promise<TestedProxy> {
  const proxy = await startProxyHere({ ROCKETMQ_ENDPOINT: cluster.nameServer, PROXY_SEAL_KEY: sealKey, ...settings });
  onTestFinished(() => proxy.stop());
  return proxy;
}

/** A client; closed when the test ends. */
function clientOf(config: MQConfig): MQClient {
  const client = new MQClient({ timeoutMs: 30_000, ...config });
  onTestFinished(() => client.close());
  return client;
}

/** Unary calls that a proxy has answered. */
async function callCount(proxy: TestedProxy): Promise<number> {
  const text = await (await fetch(`${proxy.statusUrl}/metrics?format=prometheus`)).text();
  return Number(/^rocketmq_proxy_response_time_seconds_count (\d+)$/m.exec(text)?.[1]);
}

describe('batching', () => {
  test('publishes of one turn of the event loop leave by a stream, acks as one call; those with options of their own leave alone', async () => {
    const proxy = await startProxy();
    const client = clientOf({ grpcEndpoint: proxy.address });
    const producer = await client.getProducer('', 'batches');
    const consumer = await client.getConsumer('', 'batches', 'batches-group');
    const counted = async (work: () => Promise<unknown>): Promise<number> => {
      const before = await callCount(proxy);
      await work();
      return (await callCount(proxy)) - before;
    };
    const inbox = new Inbox(consumer, () => {});
    const bodies = Array.from({ length: 100 }, (_, index) => String(index));
    expect(await counted(() => producer.publishMessage('alone'))).toBe(1);
    expect(await counted(() => Promise.all(bodies.map((body) => producer.publishMessage(body))))).toBe(0);
    const ordered = () => Promise.all(['a', 'b'].map((body) => producer.publishOrderedMessage(body, '', null, 'key')));
    expect(await counted(ordered)).toBe(0);
    const options = { timeoutMs: 20_000 };
    const apart = () => Promise.all(['c', 'd'].map((body) => producer.publishMessage(body, '', null, options)));
    expect(await counted(apart)).toBe(2);
    const messages = await inbox.atLeast(105);
    const acks = () => Promise.all(messages.map(({ receiptHandle }) => consumer.ackMessage(receiptHandle)));
    expect(await counted(acks)).toBe(1);
  });

  test('without it each leaves alone', async () => {
    const proxy = await startProxy();
    const producer = await clientOf({ grpcEndpoint: proxy.address, batching: false }).getProducer('', 'singles');
    const before = await callCount(proxy);
    await Promise.all(['1', '2', '3'].map((body) => producer.publishMessage(body)));
    expect((await callCount(proxy)) - before).toBe(3);
  });
});

describe('several proxies', () => {
  test('have the calls in turn; one that is cut off costs the call that it had, and no other', async () => {
    const proxies = [await startProxy(), await startProxy()] as const;
    const grpcEndpoint = proxies.map(({ address }) => address).join(',');
    const producer = await clientOf({ grpcEndpoint, batching: false }).getProducer('', 'balanced');
    // The second connection is made beside the first calls.
    const send = async (count: number): Promise<void> => {
      for (let sent = 0; sent < count; sent += 1) await producer.publishMessage(String(sent));
    };
    while ((await Promise.all(proxies.map(callCount))).some((count) => count === 0)) await send(1);
    const before = await Promise.all(proxies.map(callCount));
    await send(40);
    const after = await Promise.all(proxies.map(callCount));
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual([20, 20]);
    const sends = Array.from({ length: 40 }, async (_, index) => {
      // One after the other, more or less: the end comes in their midst.
      await sleep(index * 5);
      return producer.publishMessage('while one goes');
    });
    const [settled] = await Promise.all([Promise.allSettled(sends), sleep(100).then(() => proxies[0].stop())]);
    // Those that it had may have been stored, so they are not made again.
    const failures = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    for (const failure of failures) expect(failure).toMatchObject({ reason: 'OUTCOME_UNKNOWN', retryable: true });
    await send(10);
  });

  test('each consumer stays with one, and its acks go there', async () => {
    const proxies = [await startProxy(), await startProxy()] as const;
    const client = clientOf({ grpcEndpoint: proxies.map(({ address }) => address) });
    const producer = await client.getProducer('', 'home');
    // Both connections are there before the stream is opened.
    while ((await Promise.all(proxies.map(callCount))).some((count) => count === 0)) await client.healthCheck();
    const consumer = await client.getConsumer('', 'home', 'home-group');
    const inbox = new Inbox(consumer, () => {});
    await producer.publishMessage('x');
    const { receiptHandle } = await inbox.at(0);
    const before = await Promise.all(proxies.map(callCount));
    for (let count = 0; count < 10; count += 1) await consumer.ackMessage(receiptHandle);
    const after = await Promise.all(proxies.map(callCount));
    const received = await Promise.all(proxies.map(async (proxy) => (await proxy.metrics()).messages_received));
    expect(after.map((count, index) => count - (before[index] ?? 0))).toEqual(
      received.map((count) => (count ?? 0) * 10),
    );
  });

  test('a producer with a checker has its checks from one, and transactions end there', async () => {
    const proxies = [await startProxy(), await startProxy()] as const;
    const client = clientOf({ grpcEndpoint: proxies.map(({ address }) => address) });
    while ((await Promise.all(proxies.map(callCount))).some((count) => count === 0)) await client.healthCheck();
    const producer = await client.getProducer('', 'checks', { checker: () => 'unknown' });
    // Before its stream is open they go to both in turn.
    await vi.waitFor(async () => {
      const before = await Promise.all(proxies.map(callCount));
      const ends = Array.from({ length: 4 }, () => producer.endTransaction('forged', 'commit'));
      expect((await Promise.allSettled(ends)).map(({ status }) => status)).toEqual(ends.map(() => 'rejected'));
      const after = await Promise.all(proxies.map(callCount));
      expect(after.map((count, index) => count - (before[index] ?? 0)).toSorted()).toEqual([0, 4]);
    }, 60_000);
  });

  test('listings are of all that are there', async () => {
    const proxies = [await startProxy(), await startProxy()] as const;
    const [first, second] = proxies.map(({ address }) => clientOf({ grpcEndpoint: address }));
    const all = clientOf({ grpcEndpoint: proxies.map(({ address }) => address) });
    await first?.getProducer('', 'listed');
    await second?.getProducer('', 'listed');
    await second?.getConsumer('', 'listed', 'listed-group');
    expect(await all.listProducers({ topic: 'listed' })).toHaveLength(2);
    expect(await all.listConsumers({ topic: 'listed' })).toHaveLength(1);
    await proxies[0].stop();
    expect(await all.listProducers({ topic: 'listed' })).toHaveLength(1);
    await proxies[1].stop();
    await expect(all.listProducers()).rejects.toMatchObject({ reason: 'PROXY_UNREACHABLE' });
  });

  test('one that was never there is left out', async () => {
    const proxy = await startProxy();
    const gone = `127.0.0.1:${await freePort()}`;
    const client = clientOf({ grpcEndpoint: [gone, proxy.address] });
    const producer = await client.getProducer('', 'half-there');
    for (let sent = 0; sent < 10; sent += 1) await producer.publishMessage(String(sent));
    expect((await proxy.metrics()).messages_sent).toBe(10);
  });
});

describe('a proxy that is killed', () => {
  test.each([
    ['the same seal key', { PROXY_SEAL_KEY: sealKey }],
    ['another seal key, so that no id is known any more', { PROXY_SEAL_KEY: '' }],
  ])('comes back at the same port with %s: producers and streams go on', async (_, settings) => {
    const GRPC_PORT = String(await freePort());
    const start = async () => {
      const proxy = await startProxyProcess({ ROCKETMQ_ENDPOINT: cluster.nameServer, GRPC_PORT, ...settings });
      onTestFinished(() => proxy.stop());
      return proxy;
    };
    const first = await start();
    const topic = `killed-${settings.PROXY_SEAL_KEY === '' ? 'other' : 'same'}`;
    const client = clientOf({ grpcEndpoint: first.address });
    const producer = await client.getProducer('', topic);
    const consumer = await client.getConsumer('', topic, `${topic}-group`);
    const failures: MQError[] = [];
    const inbox = new Inbox(consumer);
    consumer.startReceiving().on('error', (error: MQError) => failures.push(error));
    await producer.publishMessage('before');
    await inbox.atLeast(1);
    first.kill('SIGKILL');
    await first.exited;
    const refused = await producer.publishMessage('meanwhile').catch((error: MQError) => error);
    expect(refused).toMatchObject({ name: 'MQError', code: 'UNAVAILABLE', retryable: true });
    await start();
    await published(() => producer.publishMessage('after'));
    while (!inbox.bodies.includes('after')) await inbox.atLeast(inbox.messages.length + 1);
    expect(failures.length).toBeGreaterThan(0);
    for (const failure of failures) expect(failure).toMatchObject({ name: 'MQError', retryable: true });
  });
});

test('a proxy that cannot be reached is named at once; one that does not answer, when the time is over', async () => {
  const gone = `127.0.0.1:${await freePort()}`;
  const refused = await clientOf({ grpcEndpoint: gone })
    .healthCheck()
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'UNAVAILABLE', reason: 'PROXY_UNREACHABLE', retryable: true });
  expect(String(refused)).toContain(gone);
  // It accepts connections and says nothing.
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const late = await clientOf({ grpcEndpoint: `127.0.0.1:${port}`, timeoutMs: 300 })
    .healthCheck()
    .catch((error: unknown) => error);
  expect(late).toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
});

describe('access', () => {
  test('a token that does not come takes no longer than the call, of a stream than the client waits', async () => {
    const proxy = await startProxy();
    const never = new Promise<string>(() => {});
    // For the producer, the consumer, and its stream; others come at once.
    const given: (string | Promise<string>)[] = ['any', 'any', never];
    const client = clientOf({ grpcEndpoint: proxy.address, token: () => given.shift() ?? 'any', timeoutMs: 500 });
    const patient = { timeoutMs: 60_000 };
    const producer = await client.getProducer('', 'tokens', patient);
    const consumer = await client.getConsumer('', 'tokens', 'tokens-group', '*', patient);
    const failures: MQError[] = [];
    consumer.startReceiving().on('error', (error: MQError) => failures.push(error));
    await vi.waitFor(() => expect(failures).toHaveLength(1), 60_000);
    expect(failures).toMatchObject([{ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE', retryable: true }]);
    const inbox = new Inbox(consumer, () => {});
    await producer.publishMessage('x', '', null, patient);
    await inbox.atLeast(1);
    given.push(never);
    const late = client.healthCheck({ timeoutMs: 30 });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', reason: 'DEADLINE' });
  });

  test('by TLS with certificates, and by a token that may change', async () => {
    const [{ authority, server, client: own }, folder] = [await makeCertificates(), new SettingFolder()];
    const sha256 = createHash('sha256').update('secret').digest('hex');
    const rights = { publish: ['*'], subscribe: ['*'], groups: ['*'] };
    const proxy = await startProxy({
      PROXY_TLS_CERT_FILE: folder.write('cert.pem', server.cert),
      PROXY_TLS_KEY_FILE: folder.write('key.pem', server.private),
      PROXY_TLS_CLIENT_CA_FILE: folder.write('ca.pem', authority.cert),
      PROXY_TOKENS_FILE: folder.write('tokens.json', JSON.stringify({ tokens: [{ name: 'app', sha256, ...rights }] })),
    });
    const tls = { ca: authority.cert, cert: own.cert, key: own.private, servername: 'localhost' };
    const tokens = ['wrong', 'secret'];
    const client = clientOf({ grpcEndpoint: proxy.address, tls, token: async () => tokens.shift() ?? 'secret' });
    await expect(client.getProducer('', 'guarded')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      reason: 'TOKEN_REFUSED',
      retryable: false,
    });
    const producer = await client.getProducer('', 'guarded');
    const inbox = new Inbox(await client.getConsumer('', 'guarded', 'guarded-group'));
    await producer.publishMessage('in');
    await inbox.atLeast(1);
    // Without a certificate, without TLS: nobody gets in.
    for (const changes of [{ tls: { ca: authority.cert, servername: 'localhost' } }, {}]) {
      const other = clientOf({ grpcEndpoint: proxy.address, token: 'secret', timeoutMs: 5_000, ...changes });
      await expect(other.healthCheck()).rejects.toMatchObject({ name: 'MQError' });
    }
  });
});

/** Publishes when the proxy is back. */
async function published(publish: () => Promise<unknown>): Promise<void> {
  const endsAtMs = Date.now() + 60_000;
  for (;;) {
    try {
      await publish();
      return;
    } catch (error) {
      if (Date.now() > endsAtMs) throw error;
      await sleep(100);
    }
  }
}
