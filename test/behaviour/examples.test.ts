import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { RocketMQClient } from '../../src/client/api/rocketmq-client.ts';
import { checkoutDirectory } from '../rocketmq/java.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { describeOnTarget, startProxy, startTarget, type Target } from './target.ts';

describeOnTarget('examples, as the README shows them', () => {
  let cluster: Target;
  let proxy: TestedProxy;

  beforeAll(async () => {
    cluster = await startTarget({ transactionTimeoutMs: 1_000, transactionCheckIntervalMs: 1_000 });
    // A real broker gives a topic that its first message makes to consumers half a minute later.
    for (const topic of ['orders', 'payments', 'questions', 'settings']) await cluster.createTopic(topic);
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

  /** An example that runs until it is told to end. */
  interface Started {
    readonly output: () => string;
    saw(text: string): Promise<void>;
    /** Resolves when it has ended by itself. */
    end(): Promise<void>;
  }

  function startExample(name: string, args: readonly string[] = []): Started {
    const child = spawn(process.execPath, [`examples/${name}.mjs`, cluster.nameServer, ...args], {
      cwd: checkoutDirectory(),
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    return {
      output: () => output,
      saw: (text) => vi.waitFor(() => expect(output).toContain(text), 30_000),
      async end() {
        const closed = once(child, 'close');
        child.kill('SIGTERM');
        expect(await closed).toEqual([0, null]);
      },
    };
  }

  test('producer and push-consumer, which ends when it is told to', { timeout: 60_000 }, async () => {
    const consumer = startExample('push-consumer');
    await consumer.saw('ready\n');
    const [, messageId = ''] = /^sent (\w+)\nsent a batch of 2\n$/.exec(await run('producer')) ?? [];
    await consumer.saw(`received ${messageId} created order 4711\n`);
    for (const text of ['packed order 4711 packed', 'shipped order 4711 shipped', 'created order 4712'])
      await consumer.saw(text);
    expect(consumer.output()).not.toContain('reminder');
    await consumer.end();
    expect(consumer.output()).toMatch(/closed\n$/);
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

  test('broadcast gets everything in each process, and goes on where it was', { timeout: 90_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'offsets-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const client = new RocketMQClient({ nameServers: cluster.nameServer });
    onTestFinished(() => client.close());
    const producer = client.producer();
    const start = (name: string): Started => startExample('broadcast', [directory, name]);
    const members = ['a', 'b'].map(start);
    await Promise.all(members.map((member) => member.saw('ready\n')));
    await producer.send({ topic: 'settings', body: 'first' });
    await Promise.all(members.map((member) => member.saw('received first\n')));
    for (const member of members) await member.end();
    await producer.send({ topic: 'settings', body: 'second' });
    const again = start('a');
    await again.saw('received second\n');
    await again.end();
    expect(again.output().split('\n').toSorted()).toEqual(['', 'ready', 'received second']);
  });

  test('admin makes and finds things, and cleans up', { timeout: 60_000 }, async () => {
    expect(await run('admin')).toBe('found invoice 1 with key 1\nmessages: 1\n');
  });

  test('transaction commits, and answers the check for what was not', { timeout: 90_000 }, async () => {
    expect(await run('transaction')).toBe('committed 1\nchecked 2 commit\n');
  });
});
