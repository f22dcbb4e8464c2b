import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkoutDirectory } from '../rocketmq/java.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { describeOnTarget, startProxy, startTarget, type Target } from './target.ts';

describeOnTarget('examples, as the README shows them', () => {
  let cluster: Target;
  let proxy: TestedProxy;

  beforeAll(async () => {
    cluster = await startTarget();
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
});
