import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startEmbedded } from '../src/embedded.ts';
import type { Embedded } from '../src/embedded-engine.ts';
import { EmbeddedError } from '../src/embedded-error.ts';
import type { Log } from '../src/log.ts';
import { readOptions, type ServerOptions } from '../src/options.ts';
import { connectEngine, startTestEngine, temporaryFolder } from './support/engine-client.ts';
import { startEcho, startSilentPeer } from './support/tcp-peers.ts';

const infos: string[] = [];
const log: Log = { debug() {}, warn() {}, error() {}, info: (_, message) => infos.push(message) };

/** Starts what the settings say, in memory and on any port unless they say otherwise. */
async function start(environment: Readonly<Record<string, string>> = {}): Promise<Embedded> {
  const settings = { PROXY_DATA_DIR: 'memory', PROXY_REMOTING_PORT: '0', ...environment };
  const options: ServerOptions = readOptions([], settings);
  const embedded = await startEmbedded(options, log);
  onTestFinished(() => embedded.broker?.close());
  return embedded;
}

const portOf = (address: string): string => address.split(':').at(-1) ?? '';

/** How a start fails that must. */
async function failure(environment: Readonly<Record<string, string>>): Promise<EmbeddedError> {
  const error = await start(environment).catch((cause: unknown) => cause);
  if (error instanceof EmbeddedError) return error;
  throw new Error(`no EmbeddedError: ${String(error)}`);
}

describe('the embedded engine', () => {
  it('is started where no endpoint is set, and is then the endpoint', async () => {
    const { endpoint, broker } = await start();
    expect(endpoint).toBe(broker?.nameServer);
    const client = await connectEngine(broker?.brokerAddress ?? '');
    await client.send('orders', 'order 4711');
    expect((await client.pull('orders')).bodies).toEqual(['order 4711']);
  });

  it('is not started where an endpoint is set', async () => {
    expect(await start({ ROCKETMQ_ENDPOINT: 'mq:9876' })).toEqual({ endpoint: 'mq:9876', broker: undefined });
  });

  it('is started beside an endpoint where that is wanted', async () => {
    const { endpoint, broker } = await start({ ROCKETMQ_ENDPOINT: 'mq:9876', PROXY_EMBEDDED: 'on' });
    expect(endpoint).toBe('mq:9876');
    expect(broker).toBeDefined();
  });

  it('is not started where it is off, with an endpoint or without', async () => {
    expect(await start({ PROXY_EMBEDDED: 'off' })).toEqual({ endpoint: undefined, broker: undefined });
    const both = { PROXY_EMBEDDED: 'off', ROCKETMQ_ENDPOINT: 'mq:9876' };
    expect(await start(both)).toEqual({ endpoint: 'mq:9876', broker: undefined });
  });

  it('leaves the port to a RocketMQ name server that has it, uses that, and says so', async () => {
    const other = await startTestEngine();
    infos.length = 0;
    const found = await start({ PROXY_REMOTING_PORT: portOf(other.nameServer) });
    expect(found).toEqual({ endpoint: other.nameServer, broker: undefined });
    expect(infos).toEqual(['a RocketMQ name server is there already: it is used, the embedded engine is not started']);
  });

  it('leaves the port also to a name server that serves only those with a key', async () => {
    const other = await startTestEngine({ accessKeys: [{ accessKey: 'key', secretKey: 'secret' }] });
    const found = await start({ PROXY_REMOTING_PORT: portOf(other.nameServer) });
    expect(found).toEqual({ endpoint: other.nameServer, broker: undefined });
  });

  it('does not take another program for a name server, and says what to do', async () => {
    const web = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    onTestFinished(() => void web.close());
    const address = web.address();
    const webPort = typeof address === 'object' && address !== null ? address.port : 0;
    const echo = await startEcho();
    onTestFinished(() => echo.close());
    for (const port of [`${webPort}`, portOf(echo.address)]) {
      const error = await failure({ PROXY_REMOTING_PORT: port });
      expect(error.message).toBe(
        `the embedded engine cannot listen on 127.0.0.1:${port}: another program does. End that program, ` +
          'set PROXY_REMOTING_PORT to a free port, or use another RocketMQ by ROCKETMQ_ENDPOINT',
      );
      expect(error.cause).toMatchObject({ name: 'BrokerListenError' });
    }
  });

  it('does not wait for ever for a program that says nothing', async () => {
    const silent = await startSilentPeer();
    onTestFinished(() => silent.close());
    const startMs = performance.now();
    await failure({ PROXY_REMOTING_PORT: portOf(silent.address) });
    expect(performance.now() - startMs).toBeLessThan(10_000);
  }, 15_000);

  it('names the setting of the broker’s port where that is taken', async () => {
    const other = await startTestEngine();
    const port = portOf(other.brokerAddress);
    const { message } = await failure({ PROXY_BROKER_PORT: port });
    expect(message).toContain(`127.0.0.1:${port}`);
    expect(message).toContain('set PROXY_BROKER_PORT to a free port');
  });

  it('says that its two ports must differ', async () => {
    const free = await startTestEngine();
    const port = portOf(free.nameServer);
    await free.close();
    const { message } = await failure({ PROXY_REMOTING_PORT: port, PROXY_BROKER_PORT: port });
    expect(message).toContain('PROXY_BROKER_PORT');
  });

  it('says that its address is none of this machine', async () => {
    const { message } = await failure({ PROXY_REMOTING_HOST: '192.0.2.1' });
    expect(message).toContain('192.0.2.1');
    expect(message).toContain('PROXY_REMOTING_HOST');
  });

  it('says that its folder is in use, or is none, and which setting names it', async () => {
    const folder = temporaryFolder();
    await start({ PROXY_DATA_DIR: folder });
    const { message } = await failure({ PROXY_DATA_DIR: folder });
    expect(message).toContain(`${folder} is in use by process ${process.pid}`);
    expect(message).toContain('PROXY_DATA_DIR');
    expect((await failure({ PROXY_DATA_DIR: '/dev/null/data' })).message).toContain('PROXY_DATA_DIR');
  });

  it('keeps its messages in its folder', async () => {
    const folder = temporaryFolder();
    const first = await start({ PROXY_DATA_DIR: folder, PROXY_FLUSH: 'sync' });
    await (await connectEngine(first.broker?.brokerAddress ?? '')).send('orders', 'kept');
    await first.broker?.close();
    const second = await start({ PROXY_DATA_DIR: folder });
    const client = await connectEngine(second.broker?.brokerAddress ?? '');
    expect((await client.pull('orders')).bodies).toEqual(['kept']);
  });

  it('hands its settings to the engine', async () => {
    const { broker } = await start({ PROXY_RETENTION: '2h', PROXY_RETENTION_MB: '1000', PROXY_FLUSH: 'sync' });
    expect(broker?.engine.options).toMatchObject({
      host: '127.0.0.1',
      dataDirectory: undefined,
      flush: 'sync',
      retentionMs: 7_200_000,
      // In memory no more than that.
      retentionBytes: 256 * 1_048_576,
    });
  });

  it('serves only clients with one of its keys, where it has some', async () => {
    const { broker } = await start({ PROXY_REMOTING_KEYS: ' alice:one , bob:two,' });
    const address = broker?.brokerAddress ?? '';
    for (const [accessKey, secretKey] of [
      ['alice', 'one'],
      ['bob', 'two'],
    ] as const) {
      const client = await connectEngine(address, { credentials: { accessKey, secretKey } });
      await client.send('orders', 'body');
    }
    await expect((await connectEngine(address)).send('orders', 'body')).rejects.toMatchObject({ code: 16 });
  });

  it.each(['alice', 'alice:', ':one', 'alice:one:two', 'alice:one,bob'])(
    'refuses the keys %s without repeating them',
    async (keys) => {
      const { message } = await failure({ PROXY_REMOTING_KEYS: keys });
      expect(message).toBe('PROXY_REMOTING_KEYS must be accessKey:secretKey, several separated by commas');
    },
  );
});
