import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { checkoutDirectory } from '../rocketmq/java.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { describeOnTarget, startProxy, startTarget, type Target } from './target.ts';

describeOnTarget('examples, as the README shows them', () => {
  let cluster: Target;
  let proxy: TestedProxy;

  beforeAll(async () => {
    cluster = await startTarget({ transactionTimeoutMs: 1_000, transactionCheckIntervalMs: 1_000 });
    // A real broker gives a topic that its first message makes to consumers half a minute later.
    for (const topic of ['orders', 'payments', 'questions']) await cluster.createTopic(topic);
    proxy = await startProxy({});
  });

  afterAll(async () => {
    await proxy?.stop();
    await cluster?.stop();
  });

  test('send-and-receive sends a message, receives it and ends by itself', async () => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['examples/send-and-receive.mjs', proxy.address, cluster.nameServer],
      { cwd: checkoutDirectory(), timeout: 30_000 },
    );
    expect(stderr).toBe('');
    const [, messageId = ''] = /^sent (\w+)\n/.exec(stdout) ?? [];
    expect(stdout).toBe(`sent ${messageId}\nreceived ${messageId} created order 4711\n`);
  });

  /** Runs an example of the client to its end. */
  async function run(name: string): Promise<string> {
    const args = [`examples/${name}.mjs`, cluster.nameServer];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      cwd: checkoutDirectory(),
      timeout: 60_000,
    });
    expect(stderr).toBe('');
    return stdout;
  }

  test('producer and push-consumer, which ends when it is told to', { timeout: 60_000 }, async () => {
    const consumer = spawn(process.execPath, ['examples/push-consumer.mjs', cluster.nameServer], {
      cwd: checkoutDirectory(),
    });
    onTestFinished(() => void consumer.kill('SIGKILL'));
    let output = '';
    for (const stream of [consumer.stdout, consumer.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    await vi.waitFor(() => expect(output).toContain('ready\n'), 30_000);
    const [, messageId = ''] = /^sent (\w+)\nsent a batch of 2\n$/.exec(await run('producer')) ?? [];
    await vi.waitFor(() => {
      expect(output).toContain(`received ${messageId} created order 4711\n`);
      for (const body of ['packed order 4711 packed', 'shipped order 4711 shipped', 'created order 4712'])
        expect(output).toContain(body);
    }, 30_000);
    expect(output).not.toContain('reminder');
    const closed = once(consumer, 'close');
    consumer.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
    expect(output).toMatch(/closed\n$/);
  });

  test('simple-consumer receives what there is', { timeout: 60_000 }, async () => {
    await run('producer');
    const output = await run('simple-consumer');
    expect(output).toMatch(/^received \w+ order 4713$/m);
  });

  test('lite-pull-consumer reads what was sent, whoever has received it', { timeout: 60_000 }, async () => {
    await run('producer');
    const lines = (await run('lite-pull-consumer')).trim().split('\n');
    expect(lines).toContainEqual(expect.stringMatching(/^read \d+ \d+n order 4713$/));
    const places = lines.map((line) => line.split(' ').slice(1, 3).join(' '));
    expect(new Set(places).size).toBe(lines.length);
  });

  test('request-reply is answered', { timeout: 60_000 }, async () => {
    expect(await run('request-reply')).toBe('answered: tea costs 42\n');
  });

  test('admin makes and finds things, and cleans up', { timeout: 60_000 }, async () => {
    expect(await run('admin')).toBe('found invoice 1 with key 1\nmessages: 1\n');
  });

  test('transaction commits, and answers the check for what was not', { timeout: 90_000 }, async () => {
    expect(await run('transaction')).toBe('committed 1\nchecked 2 commit\n');
  });
});
