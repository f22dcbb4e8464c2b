import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ProxyProcess, startProxyProcess } from '../support/proxy-process.ts';
import { type RocketMQCluster, startRocketMQ } from './cluster.ts';
import { checkoutDirectory, skipRocketMQ } from './java.ts';

describe.skipIf(skipRocketMQ())('examples, as the README shows them', () => {
  let cluster: RocketMQCluster;
  let proxy: ProxyProcess;

  beforeAll(async () => {
    cluster = await startRocketMQ();
    proxy = await startProxyProcess({});
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
