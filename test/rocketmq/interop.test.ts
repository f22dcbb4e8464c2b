/** Clients of HTTP/2 and gRPC that others made, on the proxy's own HTTP/2 core, in cleartext and by TLS. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startEmbedded } from '../behaviour/embedded-target.ts';
import type { Target } from '../behaviour/target.ts';
import { makeCertificates } from '../support/certificates.ts';
import { skipChromium, startChromium } from '../support/chromium.ts';
import { curlFeatures } from '../support/http-client.ts';
import { startProxyHere } from '../support/proxy-here.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { startPageServer, TestPage } from '../web/test-page.ts';
import { judgeByGo, judgeByJava, type ProxyPorts, skipNghttp } from './interop/programs.ts';
import { scenarios } from './interop/scenarios.ts';
import { connectNode, connectWays, curl, grpcJs, type ProxyAddress, type Speak } from './interop/speakers.ts';
import { skipGo, skipJavaClients } from './official/build.ts';
import type { Verdict } from './official/official.ts';

const run = promisify(execFile);
const { curl: hasCurl, http2: hasCurlHttp2 } = curlFeatures();
const scenarioNames = Object.keys(scenarios);
const healthCheck = '/rocketmq.RocketMQProxy/HealthCheck';

/** Clients of this process, and curl: each with the scenarios and the port that it is judged by. */
const clients: [string, boolean, (proxy: ProxyAddress) => Speak, ('cleartext' | 'tls')[]][] = [
  ['grpc-js', true, grpcJs, ['cleartext', 'tls']],
  ...(Object.keys(connectWays) as (keyof typeof connectWays)[]).map((way): (typeof clients)[number] => [
    `connect-node, ${way}`,
    true,
    (proxy) => connectNode(way, proxy),
    ['cleartext', 'tls'],
  ]),
  ['curl, HTTP/1.1', hasCurl, (proxy) => curl(proxy, '--http1.1'), ['cleartext', 'tls']],
  ['curl, HTTP/2 by prior knowledge', hasCurlHttp2, (proxy) => curl(proxy, '--http2-prior-knowledge'), ['cleartext']],
  ['curl, HTTP/2 by ALPN', hasCurlHttp2, (proxy) => curl(proxy, '--http2'), ['tls']],
];

describe('the own HTTP/2 core serves', () => {
  const folder = mkdtempSync(join(tmpdir(), 'interop-'));
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  let target: Target;
  let proxies: TestedProxy[];
  let ports: ProxyPorts;
  let pages: Awaited<ReturnType<typeof startPageServer>>;

  beforeAll(async () => {
    let made: Awaited<ReturnType<typeof makeCertificates>>;
    [target, pages, made] = await Promise.all([startEmbedded({}), startPageServer(), makeCertificates()]);
    const settings = {
      ROCKETMQ_ENDPOINT: target.nameServer,
      PROXY_HTTP2_ENGINE: 'own',
      PROXY_CORS_ORIGINS: pages.origin,
      // Longer than the tests: what comes again was given back.
      PROXY_INVISIBLE_DURATION: '10m',
    };
    const [cleartext, tls] = await Promise.all([
      startProxyHere(settings),
      startProxyHere({
        ...settings,
        PROXY_TLS_CERT_FILE: file('cert', made.server.cert),
        PROXY_TLS_KEY_FILE: file('key', made.server.private),
      }),
    ]);
    proxies = [cleartext, tls];
    const caFile = file('ca', made.authority.cert);
    ports = { cleartext: { address: cleartext.address }, tls: { address: tls.address, caFile } };
  });
  afterAll(async () => {
    await Promise.all((proxies ?? []).map((proxy) => proxy.stop()));
    pages?.close();
    await target?.stop();
    rmSync(folder, { recursive: true });
  });

  /** One for each scenario. */
  const createTopics = (prefix: string) =>
    Promise.all(scenarioNames.map((name) => target.createTopic(`${prefix}-${name}`)));

  async function judgeBy(
    program: (ports: ProxyPorts, prefix: string) => Promise<Verdict[]>,
    prefix: string,
    transports: readonly string[],
  ): Promise<void> {
    await Promise.all(transports.map((transport) => createTopics(`${prefix}-${transport}`)));
    const verdicts = await program(ports, prefix);
    expect(verdicts.filter(({ ok }) => !ok)).toEqual([]);
    expect(verdicts.map(({ scenario }) => scenario).sort()).toEqual(
      transports.flatMap((transport) => scenarioNames.map((name) => `${transport} ${name}`)).sort(),
    );
  }

  // Side by side: programs are compiled and JVMs start while others are judged. Each has topics of its own.
  describe.concurrent('all that it says, to', () => {
    it.skipIf(skipJavaClients())('grpc-java, on Netty and on OkHttp', { timeout: 600_000 }, async () => {
      const transports = ['netty-cleartext', 'netty-tls', 'okhttp-cleartext', 'okhttp-tls'];
      await judgeBy(judgeByJava, 'java', transports);
    });

    it.skipIf(skipGo())('grpc-go', { timeout: 600_000 }, () => judgeBy(judgeByGo, 'go', ['cleartext', 'tls']));

    for (const [name, isHere, speakTo, on] of clients) {
      it.skipIf(!isHere).each(on)(`${name}: %s`, async (port) => {
        const prefix = `${name.replaceAll(/[^\w-]+/g, '-')}-${port}`;
        await createTopics(prefix);
        const speak = speakTo(ports[port]);
        const verdicts = await Promise.allSettled(
          Object.entries(scenarios).map(([scenario, judge]) => judge(speak, `${prefix}-${scenario}`)),
        );
        const failures = verdicts
          .map((verdict, index) => [scenarioNames[index], verdict])
          .filter(([, verdict]) => typeof verdict === 'object' && verdict.status === 'rejected');
        expect(failures).toEqual([]);
      });
    }
  });

  describe.skipIf(skipNghttp())('nghttp', () => {
    const json = ['-H', 'content-type: application/json', '-d', file('request.json', '{}')];
    const originsOf = () => [`http://${ports.cleartext.address}`, `https://${ports.tls.address}`];

    it.each([
      ['', []],
      [', padded', ['-b', '100']],
      [', with small windows', ['-w', '10', '-W', '10']],
      [', with trailers', ['--trailer', 'x: y']],
      [', with a table of its own for headers', ['-c', '0', '--encoder-header-table-size', '100']],
    ])('nghttp%s', async (_, flags) => {
      for (const origin of originsOf()) {
        const { stdout } = await run('nghttp', ['-y', '-m', '3', ...flags, ...json, `${origin}${healthCheck}`]);
        expect(stdout).toBe('{"healthy":true,"message":"the proxy serves"}'.repeat(3));
      }
    });

    it('nghttp, with headers that are too long, in several frames', async () => {
      for (const origin of originsOf()) {
        const { stdout } = await run('nghttp', ['-yv', '--continuation', ...json, `${origin}${healthCheck}`]);
        expect(stdout).toContain(':status: 431');
      }
    });

    const load = ['-n', '2000', '-c', '4', '-m', '50'];
    const grpcBody = ['-d', file('request.grpc', Buffer.alloc(5))];
    const grpc = ['-H', 'content-type: application/grpc', '-H', 'te: trailers', ...grpcBody];
    it.each([
      ['Connect', json],
      ['gRPC', grpc],
    ])('h2load, calls of %s', async (_, flags) => {
      for (const origin of originsOf()) {
        const { stdout } = await run('h2load', [...load, ...flags, `${origin}${healthCheck}`]);
        expect(stdout).toContain('2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout');
        expect(stdout).toContain('status codes: 2000 2xx');
      }
    });
  });

  it.skipIf(skipChromium())('Chromium', async () => {
    const browser = await startChromium();
    try {
      const page = await TestPage.open(browser, pages.origin);
      await page.log();
      for (const protocol of ['connect', 'grpc-web'] as const) {
        const topic = `chromium-${protocol}`;
        await target.createTopic(topic);
        const options = { baseUrl: `https://${ports.tls.address}`, protocol, timeoutMs: 100_000 };
        await page.run('receive', options, { name: protocol, topic, group: topic, countMax: 2_000 });
        expect(await page.run('publishAll', options, topic, 'm', 2_000)).toBe(2_000);
        const received = await page.received(protocol, ({ isOver }) => isOver);
        expect(received).toMatchObject({ bodyCount: 2_000, ackedCount: 2_000, repeatedCount: 0, resumed: [] });
        expect(await page.run('publish', options, 'größe', 'no')).toMatchObject({ reason: 'INVALID_REQUEST' });
      }
      expect([...page.protocols]).toEqual(['h2']);
    } finally {
      await browser.close();
    }
  });

  it('and no call of theirs is left', async () => {
    for (const proxy of proxies) {
      const calls = async () => (await proxy.metrics())['goroutine_count'];
      await vi.waitFor(async () => expect(await calls()).toBe(0), { timeout: 30_000, interval: 20 });
    }
  });
});
