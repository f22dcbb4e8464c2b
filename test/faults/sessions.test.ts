import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { startTestEngine } from '../support/engine-client.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { type ProxyProcess, startProxyProcess } from '../support/proxy-process.ts';
import { largest, Row } from './figures.ts';

const sessionCount = 10_000;
/** Created before any is counted, so that what is made once is there. */
const firstCount = 500;
const groupCount = 100;
const callsAtOnce = 50;
const accessKeys = ['one', 'other'] as const;

/** An engine, and who has ever connected to it: each server's address with the connections. */
async function startWatchedEngine() {
  const connections = new Map<string, Set<unknown>>();
  const { nameServer } = await startTestEngine({
    intercept: (_request, pass, connection) => {
      const ofServer = connections.get(connection.local) ?? new Set();
      connections.set(connection.local, ofServer.add(connection));
      return pass();
    },
  });
  return { nameServer, connections };
}

/** Tells how many bytes are in use in a process that has loaded `heap-program.mjs`. */
function memoryOf(proxy: ProxyProcess): () => Promise<number> {
  let lookCount = 0;
  return async () => {
    proxy.kill('SIGUSR2');
    lookCount += 1;
    return Number((await proxy.logged(`memory in use, look ${lookCount}.`))['bytes']);
  };
}

/** So many sessions, of each access key as many, a few at a time. @returns the id of the first. */
async function create(count: number, createOne: (number: number, target: object) => Promise<string>): Promise<string> {
  const ids: string[] = [];
  for (let done = 0; done < count; done += callsAtOnce) {
    const calls = Array.from({ length: callsAtOnce }, (_, index) => {
      const access_key_id = accessKeys[index % accessKeys.length];
      return createOne(done + index, { access_key_id, access_key_secret: 'secret' });
    });
    ids.push(...(await Promise.all(calls)));
  }
  return ids[0] ?? '';
}

it('R-34: 10,000 producers and 10,000 consumers that nobody cleans up', { timeout: 240_000 }, async () => {
  const { nameServer, connections } = await startWatchedEngine();
  const program = fileURLToPath(new URL('../support/heap-program.mjs', import.meta.url));
  const proxy = await startProxyProcess({
    ROCKETMQ_ENDPOINT: nameServer,
    // It looks itself whether the name server is there.
    ROCKETMQ_ACCESS_KEY_ID: accessKeys[0],
    ROCKETMQ_ACCESS_KEY_SECRET: 'secret',
    NODE_OPTIONS: `--import ${program}`,
    // What is held for a consumer is held to the end of this test.
    CONSUMER_CLEANUP_TIMEOUT: '10m',
  });
  onTestFinished(() => proxy.stop());
  const client = new ProxyClient(proxy.address);
  onTestFinished(() => client.close());
  const memory = memoryOf(proxy);
  const producer = (_: number, target: object) => client.createProducer('topic', target);
  const consumer = (n: number, target: object) => client.createConsumer('topic', `g${n % groupCount}`, target);
  const producer_id = await create(firstCount, producer);
  await client.send('SendMessage', { producer_id, message_body: 'makes the topic' });
  const consumerId = await create(firstCount, consumer);
  const before = await memory();
  await create(sessionCount, producer);
  const between = await memory();
  await create(sessionCount, consumer);
  const after = await memory();
  const counts = [...connections.values()].map(({ size }) => size);
  new Row('R-34')
    .atMost('memory of an idle producer', (between - before) / sessionCount, 2_048, 'bytes')
    .atMost('memory of an idle consumer', (after - between) / sessionCount, 2_048, 'bytes')
    .atMost('connections ever made to a server, under 2 access keys', largest(counts), accessKeys.length)
    .judge();
  await client.send('SendMessage', { producer_id, message_body: 'sent by the first' });
  const stream = client.receive(consumerId);
  // A new group reads a young queue from its first message on.
  const bodies = (await stream.take(2)).map(({ message_body }) => message_body);
  expect(bodies.sort()).toEqual(['makes the topic', 'sent by the first']);
  stream.cancel();
});
