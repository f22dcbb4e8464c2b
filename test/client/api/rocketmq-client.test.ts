import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import * as api from '../../../src/client/api/api.ts';
import { RocketMQClient } from '../../../src/client/api/rocketmq-client.ts';
import { startTestBroker } from '../../../src/testing/test-broker.ts';
import { startApi } from '../../support/api-client.ts';
import { compileSource } from '../../support/compiled-source.ts';

test('the entry offers classes and strategies, and nothing that is not meant for users', () => {
  const consumers = ['LitePullConsumer', 'PushConsumer', 'SimpleConsumer', 'ReceivedMessage'];
  const classes = [
    'Admin',
    'Producer',
    'Queries',
    'RocketMQClient',
    'RocketMQError',
    'Transaction',
    'TransactionProducer',
  ];
  const strategies = ['average', 'averageByCircle', 'configured', 'consistentHash', 'machineRoom', 'machineRoomNearby'];
  const expected = [...consumers, ...classes, ...strategies.map((name) => `${name}Allocation`)];
  expect(Object.keys(api).sort()).toEqual(expected.sort());
});

describe('RocketMQClient', () => {
  test('connects when it has to, and closes all that was made from it', async () => {
    const unused = new RocketMQClient({ nameServers: '127.0.0.1:1' });
    await unused.close();
    expect(() => unused.producer()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    const { client } = await startApi();
    const producer = client.producer();
    const consumer = client.simpleConsumer({ group: 'billing' });
    await consumer.subscribe('orders');
    await producer.send({ topic: 'orders', body: 'x' });
    await Promise.all([client.close(), client[Symbol.asyncDispose]()]);
    await expect(producer.send({ topic: 'orders', body: 'x' })).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(consumer.receive()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('says that nobody answers, and may be tried again', async () => {
    const client = new RocketMQClient({ nameServers: '127.0.0.1:1' });
    onTestFinished(() => client.close());
    const failure = { name: 'RocketMQError', code: 'UNREACHABLE', retryable: true };
    await expect(client.producer().send({ topic: 'orders', body: 'x' })).rejects.toMatchObject(failure);
    const consumer = client.pushConsumer({ group: 'billing', handler() {} });
    await expect(consumer.subscribe('orders')).rejects.toMatchObject(failure);
  });

  test('tells its logger, and nobody where there is none', async () => {
    const texts: string[] = [];
    const note = (_: object, text: string): void => void texts.push(text);
    const { broker } = await startApi();
    for (const logger of [undefined, { debug: note, info: note, warn: note, error: note }]) {
      const client = new RocketMQClient({ nameServers: broker.nameServer, ...(logger && { logger }) });
      const failed = new Promise((resolve) => {
        const consumer = client.pushConsumer({
          group: 'billing',
          consumeFrom: 'first',
          handler: () => {
            resolve(undefined);
            throw new Error('no database');
          },
        });
        void consumer.subscribe('orders');
      });
      await client.producer().send({ topic: 'orders', body: 'x' });
      await failed;
      await client.close();
      expect(texts.some((text) => text.includes('handler'))).toBe(logger !== undefined);
    }
  });
});

/** Makes and closes everything, again and again; what is left is looked at after the first rounds, and in the end. */
const roundsProgram = `
import { RocketMQClient } from './dist/client/api/api.js';
const nameServers = process.argv[2];
async function round(number) {
  const client = new RocketMQClient({ nameServers });
  const producer = client.producer();
  const transactions = client.transactionProducer({ group: 'shop', check: () => 'unknown' });
  let got;
  const received = new Promise((resolve) => { got = resolve; });
  const push = client.pushConsumer({ group: 'push', handler: got });
  const simple = client.simpleConsumer({ group: 'simple' });
  await Promise.all([push.subscribe('orders'), simple.subscribe('orders')]);
  await producer.send({ topic: 'orders', body: 'round ' + number });
  if (number % 50 === 0) (await transactions.send({ topic: 'orders', body: 'tx' })).commit();
  await received;
  const messages = await simple.receive(8);
  await Promise.all(messages.map((message) => simple.ack(message)));
  await client.close();
}
async function left() {
  // Sockets that were destroyed are gone a turn later.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 3; turn += 1) global.gc();
  const { heapUsed, external } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap' && name !== 'Immediate');
  return { bytes: heapUsed + external, handles: handles.length };
}
for (let number = 0; number < 100; number += 1) await round(number);
const before = await left();
for (let number = 0; number < 1000; number += 1) await round(number);
console.log(JSON.stringify({ before, after: await left() }));
`;

/** What a plain program does, with nothing that would end it but the end of its work. */
const plainProgram = `
import { RocketMQClient } from './dist/client/api/api.js';
const client = new RocketMQClient({ nameServers: process.argv[2] });
const producer = client.producer();
client.transactionProducer({ group: 'shop', check: () => 'unknown', topics: ['orders'] });
const consumer = client.pushConsumer({ group: 'plain', handler: async (message) => {
  console.log('received', message.text());
  setImmediate(() => client.close());
} });
await consumer.subscribe('orders');
await producer.send({ topic: 'orders', body: 'hello' });
`;

describe('in a process of its own', () => {
  let folder = '';

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'client-'));
    const names = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
    compileSource(
      join(folder, 'dist'),
      names.filter((name) => /^(?:basics|client|remoting)\/.*\.ts$/.test(name)),
    );
    writeFileSync(join(folder, 'rounds.mjs'), roundsProgram);
    writeFileSync(join(folder, 'plain.mjs'), plainProgram);
  }, 60_000);

  afterAll(() => rmSync(folder, { recursive: true }));

  async function run(args: readonly string[]): Promise<string> {
    const broker = await startTestBroker();
    onTestFinished(() => broker.close());
    await broker.createTopic('orders', { queueCount: 2 });
    const child = spawn(process.execPath, [...args, broker.nameServer], { cwd: folder });
    onTestFinished(() => void child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    const [code] = await once(child, 'close');
    expect(code, output).toBe(0);
    return output;
  }

  test('a program that closes its client ends by itself', { timeout: 30_000 }, async () => {
    expect(await run(['plain.mjs'])).toBe('received hello\n');
  });

  test('1,000 rounds leave handles, timers and memory where they were', { timeout: 180_000 }, async () => {
    const { before, after } = JSON.parse(await run(['--expose-gc', 'rounds.mjs']));
    expect(after.handles).toBeLessThanOrEqual(before.handles);
    // A client with its tables is tens of kilobytes: a thousand that stayed would be tens of megabytes.
    expect(after.bytes - before.bytes).toBeLessThan(4_000_000);
    process.stdout.write(`after 1,000 clients: ${after.bytes - before.bytes} bytes more, ${after.handles} handles\n`);
  });
});
