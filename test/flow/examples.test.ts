import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type RunningBroker, startBroker } from '../../src/broker/broker.ts';
import { checkoutDirectory } from '../rocketmq/java.ts';
import { skipChromium, startChromium } from '../support/chromium.ts';
import { startProxyHere } from '../support/proxy-here.ts';
import type { TestedProxy } from '../support/proxy-process.ts';

// Each test starts processes; a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

describe('examples that go through the proxy', () => {
  let engine: RunningBroker;
  let proxy: TestedProxy;

  beforeAll(async () => {
    const often = { transactionTimeoutMs: 3_000, transactionCheckIntervalMs: 500 };
    engine = await startBroker({ nameServerPort: 0, ...often });
    proxy = await startProxyHere({ ROCKETMQ_ENDPOINT: engine.nameServer });
  });

  afterAll(async () => {
    await proxy?.stop();
    await engine?.close();
  });

  /** Runs an example to its end, which must be a good one. */
  async function run(name: string, ...args: string[]): Promise<string> {
    const command = [`examples/${name}.mjs`, proxy.address, ...args];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { cwd: checkoutDirectory() });
    expect(stderr).toBe('');
    return stdout;
  }

  /** An example that runs until it is told to end. */
  class Started {
    output = '';
    readonly #child: ChildProcess;

    constructor(name: string, ...args: string[]) {
      const command = [`examples/${name}.mjs`, proxy.address, ...args];
      this.#child = spawn(process.execPath, command, { cwd: checkoutDirectory() });
      onTestFinished(() => void this.#child.kill('SIGKILL'));
      for (const stream of [this.#child.stdout, this.#child.stderr]) {
        stream?.on('data', (chunk) => {
          this.output += chunk;
        });
      }
    }

    async saw(pattern: RegExp): Promise<string> {
      await vi.waitFor(() => expect(this.output).toMatch(pattern), 60_000);
      return pattern.exec(this.output)?.[1] ?? '';
    }

    async end(): Promise<void> {
      const closed = once(this.#child, 'close');
      this.#child.kill('SIGTERM');
      expect(await closed).toEqual([0, null]);
    }
  }

  test('sdk-producer sends, and sdk-consumer handles what is not for later, until it is told to end', async () => {
    const consumer = new Started('sdk-consumer');
    await consumer.saw(/^ready\n/);
    const output = await run('sdk-producer');
    expect(output).toMatch(/^sent \w+\nsent in order packed, shipped\nsent for later\n$/);
    const [, messageId = ''] = /^sent (\w+)/.exec(output) ?? [];
    expect(await consumer.saw(/^received (\w+) created {"order":4711}$/m)).toBe(messageId);
    await consumer.saw(/ packed {"order":4711,"step":"packed"}\n(?:.*\n)*.* shipped {"order":4711,"step":"shipped"}\n/);
    await consumer.end();
    expect(consumer.output).toMatch(/closed\n$/);
    expect(consumer.output).not.toContain('remember');
  });

  test('performance-check says how many messages went in a second, and how long the slowest took', async () => {
    const figures = '\\d+ messages/s, p50 \\d+\\.\\d ms, p99 \\d+\\.\\d ms';
    const lines = (await run('performance-check', '200', '16')).trim().split('\n').toSorted();
    expect(lines).toEqual([
      expect.stringMatching(new RegExp(`^received 200: ${figures}$`)),
      expect.stringMatching(new RegExp(`^sent 200: ${figures}$`)),
    ]);
  });

  test('connection-check goes all the way, step by step', async () => {
    const steps = (await run('connection-check')).replace(/ \(\d+ ms\)/g, '');
    expect(steps).toBe(
      'ok: the addresses are well formed\nok: a proxy answers\nok: it reaches RocketMQ\nok: a group may receive\nok: a message comes back\n',
    );
  });

  test.skipIf(skipChromium())('browser-page sends and receives in Chromium', async () => {
    const [browser, server] = [await startChromium(), new Started('browser-page', '0')];
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    await page.goto(await server.saw(/^open (http:\S+)\n/));
    await page.getByLabel('order').fill('order 4712');
    await page.getByRole('button').click();
    await page.getByRole('listitem').filter({ hasText: 'received order 4712' }).waitFor({ timeout: 60_000 });
    await page
      .getByRole('status')
      .filter({ hasText: /^sent \w+$/ })
      .waitFor({ timeout: 60_000 });
    // Its own page may call, others may not.
    const call = { method: 'POST', headers: { origin: 'http://other.example', 'content-type': 'application/json' } };
    const url = new URL('/rocketmq.RocketMQProxy/HealthCheck', page.url());
    expect((await fetch(url, { ...call, body: '{}' })).status).toBe(404);
  });

  test('sdk-transaction and grpc-transaction commit, and answer the check for what was not', async () => {
    // Side by side, since each waits for the broker to ask.
    const [bySdk = '', byGrpc = ''] = await Promise.all([run('sdk-transaction'), run('grpc-transaction')]);
    expect(bySdk.split('\n')).toEqual(expect.arrayContaining(['committed 1', 'checked 2 commit']));
    expect(byGrpc.split('\n')).toEqual(expect.arrayContaining(['committed 1', 'checked 2 COMMIT']));
  });

  test.each([
    ['sdk-producer', ['127.0.0.1:1'], /^no proxy answers at 127\.0\.0\.1:1.*\n$/],
    ['sdk-consumer', ['127.0.0.1:1'], /^no proxy answers at 127\.0\.0\.1:1.*\n$/],
    ['sdk-transaction', ['127.0.0.1:1'], /^no proxy answers at 127\.0\.0\.1:1.*\n$/],
    ['sdk-consumer', ['nonsense'], /^grpcEndpoint .*nonsense.*\n$/],
    ['browser-page', ['127.0.0.1:1'], /^no proxy answers at 127\.0\.0\.1:1: .*\n$/],
    ['grpc-transaction', ['127.0.0.1:1'], /^No connection established.*127\.0\.0\.1:1.*\n$/],
    ['performance-check', ['127.0.0.1:1'], /^no proxy answers at 127\.0\.0\.1:1.*\n$/],
    ['connection-check', ['127.0.0.1:1'], /^failed: a proxy answers: no proxy answers at 127\.0\.0\.1:1.*\n$/],
    ['connection-check', ['', '127.0.0.1:1'], /^failed: it reaches RocketMQ: endpoint 127\.0\.0\.1:1 .*\n$/],
  ])('%s %j says in one line what is wrong, and ends with 1', async (name, [address, ...more], line) => {
    const command = [`examples/${name}.mjs`, address || proxy.address, ...more];
    const failed = promisify(execFile)(process.execPath, command, { cwd: checkoutDirectory() });
    await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(line) });
  });
});
