import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import * as testing from '../../src/testing/testing.ts';
import { compileSource } from '../support/compiled-source.ts';

it('offers what tests of other projects need, and nothing else', () => {
  const names = ['Faults', 'RequestCode', 'ResponseCode', 'VirtualClock', 'startTestBroker'];
  expect(Object.keys(testing).sort()).toEqual(names);
});

/** A test of another project, with everything open that may be when it ends. */
const program = `
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestCode, startTestBroker, VirtualClock } from './dist/testing/testing.js';
import { channelDefaults } from './dist/remoting/channel.js';
import { Deadline } from './dist/remoting/deadline.js';
import { dial } from './dist/remoting/dial.js';
import { pullMessage } from './dist/remoting/requests/pull-message.js';
import { sendMessage } from './dist/remoting/requests/send-message.js';

const soon = () => Deadline.after(60_000);
const send = (topic, properties = '') => sendMessage.encode(
  { producerGroup: 'p', topic, queueId: 0, sysFlag: 0, bornTimestampMs: 0, flag: 0, properties },
  Buffer.from('order 4711'),
);

for (const clock of [undefined, new VirtualClock()]) {
  test('a broker that is closed lets the process end', async () => {
    const startMs = performance.now();
    const broker = await startTestBroker(clock === undefined ? {} : { clock });
    console.log(\`ready in \${(performance.now() - startMs).toFixed(1)} ms\`);
    const channel = await dial(broker.brokerAddress, { ...channelDefaults, connectTimeoutMs: 3_000 }, soon());
    assert.equal((await channel.invoke(send('orders'), soon())).code, 0);
    assert.equal(broker.messages('orders')[0]?.body.toString(), 'order 4711');
    // A message that waits for two hours, a half message, a held pull, a delayed request.
    await channel.invoke(send('orders', 'DELAY\\u000118\\u0002'), soon());
    await channel.invoke(send('orders', 'TRAN_MSG\\u0001true\\u0002PGROUP\\u0001p\\u0002'), soon());
    await channel.invoke(send('orders'), soon());
    const held = channel.invoke(pullMessage.encode({
      consumerGroup: 'g', topic: 'orders', queueId: 0, queueOffset: 2n, messageCountMax: 1, sysFlag: 6, commitOffset: 0n,
      suspendDurationMs: 30_000, subscription: '*',
    }), soon());
    broker.faults.add({ code: RequestCode.GET_MAX_OFFSET, fault: { kind: 'delay', durationMs: 300_000 } });
    const delayed = channel.invoke({ code: RequestCode.GET_MAX_OFFSET, extFields: { topic: 'orders', queueId: '0' } }, soon());
    for (const request of [held, delayed]) request.catch(() => {});
    // What is answered behind them says that they have arrived.
    await channel.invoke(send('others'), soon());
    await broker.restart();
    await channel.closed;
    await broker.close();
  });
}
`;

it('leaves nothing behind: a plain test file ends by itself', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'testing-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const names = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  const paths = names.filter((name) => /^(?:basics|broker|remoting|testing)\/.*\.ts$/.test(name));
  compileSource(join(folder, 'dist'), paths);
  writeFileSync(join(folder, 'orders.test.mjs'), program);
  // Its own environment: what vitest sets would make it a part of this run.
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, ['--test', '--test-reporter=tap', 'orders.test.mjs'], {
    cwd: folder,
    env: { PATH },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const startMs = performance.now();
  const [code] = await once(child, 'close');
  expect(code, output).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(30_000);
  expect(output).toContain('# pass 2');
  const figures = output.match(/ready in [\d.]+ ms/g) ?? [];
  expect(figures).toHaveLength(2);
  process.stdout.write(`an embedded broker in a new process: ${figures.join(', then ')}\n`);
});
