import { createHash } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createWebClient } from '../../src/web/web.ts';
import { makeCertificates } from '../support/certificates.ts';
import { skipChromium, startChromium } from '../support/chromium.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { SettingFolder } from '../support/setting-files.ts';
import { type PageServer, startPageServer, TestPage } from './test-page.ts';
import { startFront, WebStage } from './web-stage.ts';

const protocols = ['connect', 'grpc-web'] as const;
const keys = { accessKey: 'the-access-key', secretKey: 'the-secret-key' };
const soon = { timeout: 30_000, interval: 20 };

describe.skipIf(skipChromium())('a page in Chromium', { timeout: 240_000 }, () => {
  let browser: Browser;
  let server: PageServer;
  let stage: WebStage;
  let proxy: TestedProxy;

  beforeAll(async () => {
    [browser, server, stage] = await Promise.all([startChromium(), startPageServer(), WebStage.start()]);
    proxy = await stage.startProxy({ PROXY_CORS_ORIGINS: server.origin });
  }, 120_000);

  afterAll(async () => {
    await Promise.all([browser?.close(), stage?.stop()]);
    server?.close();
  }, 60_000);

  const open = () => TestPage.open(browser, server.origin);
  const optionsOf = (protocol: (typeof protocols)[number]) => ({
    baseUrl: `http://${proxy.address}`,
    protocol,
    // A busy machine stands still for seconds.
    timeoutMs: 100_000,
  });

  it.each(protocols)('sends and receives 10,000 messages by %s, each once', async (protocol) => {
    const topic = await stage.createTopic();
    const page = await open();
    const options = optionsOf(protocol);
    await page.run('receive', options, { name: 'all', topic, group: 'g', countMax: 10_000 });
    expect(await page.run('publishAll', options, topic, 'm', 10_000)).toBe(10_000);
    const received = await page.received('all', ({ isOver }) => isOver);
    expect(received).toMatchObject({ bodyCount: 10_000, ackedCount: 10_000, repeatedCount: 0, resumed: [] });
    expect(received.error).toBeUndefined();
  });

  it('asks once for each call whether it may make it, and remembers the answer for both protocols', async () => {
    const topic = await stage.createTopic();
    const page = await open();
    await page.log();
    for (const protocol of protocols) {
      for (const body of ['a', 'b', 'c']) await page.run('publish', optionsOf(protocol), topic, body);
    }
    const pathsOf = (of: string) => page.requests.filter(({ method }) => method === of).map(({ path }) => path);
    expect(pathsOf('OPTIONS')).toEqual(
      ['CreateProducer', 'SendMessage'].map((rpc) => `/rocketmq.RocketMQProxy/${rpc}`),
    );
    expect(pathsOf('POST')).toHaveLength(12);
    expect([...page.protocols]).toEqual(['http/1.1']);
  });

  it.each(protocols)('of another origin gets no answer by %s, and its call does nothing', async (protocol) => {
    const topic = await stage.createTopic();
    const page = await TestPage.open(browser, server.origin.replace('127.0.0.1', 'localhost'));
    await page.log();
    const refused = await page.run('publish', optionsOf(protocol), topic, 'no');
    expect(refused).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('PROXY_CORS_ORIGINS') });
    const asked = page.requests.filter(({ method, path }) => method === 'OPTIONS' && path.endsWith('CreateProducer'));
    expect(asked).toHaveLength(1);
  });

  it.each(protocols)('reads by %s why a call failed', async (protocol) => {
    const page = await open();
    const topic = await stage.createTopic();
    expect(await page.run('publish', optionsOf(protocol), topic, 'x'.repeat(4_200_000))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_REQUEST',
      retryable: false,
      message: expect.stringContaining('binary_body has 4200000 bytes'),
    });
  });

  it.each(protocols)('gets bodies of any bytes back by %s', async (protocol) => {
    const bytes = Array.from({ length: 256 }, (_, index) => index);
    const echo = await (await open()).run('echo', optionsOf(protocol), await stage.createTopic(), bytes);
    expect(echo).toEqual({ bytes, tag: 'raw', shop: 'nörd' });
  });

  it.each(protocols)(
    'goes on by %s where a restart of the proxy broke its stream, and misses nothing',
    async (protocol) => {
      let current = await stage.startProxy({ PROXY_CORS_ORIGINS: server.origin });
      const front = await startFront(() => current.address);
      onTestFinished(() => front.close());
      const topic = await stage.createTopic();
      const page = await open();
      await page.log();
      const options = { baseUrl: `http://${front.address}`, protocol };
      await page.run('receive', options, { name: 'all', topic, group: 'g' });
      await page.run('publishAll', optionsOf(protocol), topic, 'before', 1_000);
      await page.received('all', ({ bodyCount }) => bodyCount > 0);
      await current.stop();
      await page.received('all', ({ resumed }) => resumed.length > 0);
      await page.run('publishAll', optionsOf(protocol), topic, 'between', 1_000);
      current = await stage.startProxy({ PROXY_CORS_ORIGINS: server.origin });
      await page.run('publishAll', optionsOf(protocol), topic, 'after', 1_000);
      const received = await page.received('all', ({ bodyCount }) => bodyCount === 3_000);
      expect([received.isOver, new Set(received.resumed)]).toEqual([false, new Set(['UNAVAILABLE'])]);
      // The consumer is the same one.
      expect(
        page.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('CreateConsumer')),
      ).toHaveLength(1);
    },
  );

  it('speaks HTTP/2 by TLS: any number of streams, where HTTP/1.1 allows six connections', async () => {
    const made = await makeCertificates();
    const folder = new SettingFolder();
    const secure = await stage.startProxy({
      PROXY_CORS_ORIGINS: server.origin,
      PROXY_TLS_CERT_FILE: folder.write('cert', made.server.cert),
      PROXY_TLS_KEY_FILE: folder.write('key', made.server.private),
    });
    const page = await open();
    await page.log();
    for (const protocol of protocols) {
      const options = { baseUrl: `https://${secure.address}`, protocol };
      const received = await page.run('receiveSideBySide', options, await stage.createTopic(), protocol);
      expect(received).toEqual(Array(10).fill(protocol));
    }
    expect([...page.protocols]).toEqual(['h2']);
  });

  it('may do what its token may, by keys that only the proxy has', async () => {
    const guarded = await WebStage.start({ accessKeys: [keys] });
    onTestFinished(() => guarded.stop());
    const [topic, other] = [await guarded.createTopic(), await guarded.createTopic()];
    const token = {
      name: 'page',
      sha256: createHash('sha256').update('t-page').digest('hex'),
      publish: [topic],
      subscribe: [topic],
      groups: ['echo'],
      endpoint: guarded.nameServer,
      access_key_id: keys.accessKey,
      access_key_secret: keys.secretKey,
    };
    const { address } = await guarded.startProxy({
      PROXY_CORS_ORIGINS: server.origin,
      PROXY_TOKENS_FILE: new SettingFolder().write('tokens', JSON.stringify({ tokens: [token] })),
    });
    const page = await open();
    for (const protocol of protocols) {
      const options = { baseUrl: `http://${address}`, protocol };
      const own = { ...options, token: 't-page' };
      expect(await page.run('publish', options, topic, 'no token')).toMatchObject({
        code: 'UNAUTHENTICATED',
        reason: 'TOKEN_REFUSED',
      });
      expect(await page.run('publish', own, other, 'no right')).toMatchObject({
        code: 'PERMISSION_DENIED',
        reason: 'TOKEN_DENIED',
      });
      expect(await page.run('publish', own, topic, 'right')).toBe('stored');
    }
    // Whichever of the topic's queues is asked first.
    const received = await page.run('echo', { baseUrl: `http://${address}`, token: 't-page' }, topic, [0, 255]);
    expect(received).toMatchObject({ tag: expect.stringMatching(/^(new|raw)$/) });
  });

  it.each(protocols)('that is closed gives by %s what it did not acknowledge to others', async (protocol) => {
    const topic = await stage.createTopic();
    const page = await open();
    const options = optionsOf(protocol);
    await page.run('receive', options, { name: 'held', topic, group: 'g', acks: false });
    await page.run('publishAll', options, topic, 'm', 20);
    await page.received('held', ({ bodyCount }) => bodyCount === 20);
    await page.page.close();
    await using client = createWebClient(options);
    const consumer = client.consumer(topic, 'g');
    const bodies = new Set<string>();
    for await (const message of consumer) {
      await consumer.ack(message);
      expect(message.reconsumeTimes).toBeGreaterThan(0);
      if (bodies.add(message.body).size === 20) break;
    }
  });

  it.each(protocols)('that leaves its loop, or aborts it, ends its stream by %s', async (protocol) => {
    const one = await stage.startProxy({ PROXY_CORS_ORIGINS: server.origin });
    const openCalls = async () => (await one.metrics())['goroutine_count'];
    const options = { baseUrl: `http://${one.address}`, protocol };
    const page = await open();
    const topic = await stage.createTopic();
    for (const name of ['left', 'aborted']) {
      const countMax = name === 'left' ? 1 : 100;
      await page.run('receive', options, { name, topic, group: name, countMax });
      await page.run('publish', options, topic, 'm');
      await page.received(name, ({ bodyCount }) => bodyCount === 1);
      if (name === 'aborted') {
        expect(await openCalls()).toBeGreaterThan(0);
        await page.run('stop', name);
      }
      expect((await page.received(name, ({ isOver }) => isOver)).error).toBeUndefined();
      await vi.waitFor(async () => expect(await openCalls()).toBe(0), soon);
    }
  });
});
