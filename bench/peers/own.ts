/**
 * This client as a peer of the benchmark: one measurement, told on stdout in lines of JSON. Behind `push`, which is the public API as it
 * comes, or `pull` or `pop`, which are the streams beneath it, come the arguments of every peer, see `../clients.ts`.
 */
import { setImmediate } from 'node:timers/promises';
import { RocketMQClient } from '../../src/client/api/rocketmq-client.ts';
import { ClusterClient } from '../../src/client/client.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import { clientDefaults } from '../../src/client/options.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { measureLoad, sayDone, sayMeasured } from './load-loop.ts';

const [way = '', mode = '', nameServer = '', topic = '', ...rest] = process.argv.slice(2);
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const soon = () => Deadline.after(60_000);
const client = new ClusterClient({ ...clientDefaults, nameServers: [nameServer], log });

if (mode === 'send') await send(rest.map(Number));
else if (mode === 'receive' && way === 'push') await push(rest[0] ?? '', Number(rest[1]));
else if (mode === 'receive') await receive(rest[0] ?? '', Number(rest[1]));
else throw new Error('give send or receive');
await client.close();
// Until its memory has been read.
for await (const _ of process.stdin);

/** IN_FLIGHT WARM_MS MEASURED_MS BODY_BYTES */
async function send([inFlight = 1, warmMs = 0, measuredMs = 0, bodyBytes = 0]: readonly number[]): Promise<void> {
  const message = { topic, body: Buffer.alloc(bodyBytes, 'x'), delivery: { kind: 'now' } } as const;
  await measureLoad(inFlight, { warmMs, measuredMs }, () => client.producer.send(message, soon()));
}

/** GROUP COUNT: the first fifth is for getting warm. */
async function receive(group: string, count: number): Promise<void> {
  const warmCount = Math.floor(count / 5);
  const options = {
    subscriber: { group, topic },
    filter: parseTagFilter('*'),
    invisibleDurationMs: 60_000,
    renewalDurationMs: 0,
    pollDurationMs: 1_000,
  };
  const consumer = client.consumer(options, way === 'pull' ? 'pull' : 'pop');
  await consumer.open(soon());
  let startedMs = 0;
  let receivedCount = 0;
  let ackedCount = 0;
  for await (const { receipt } of consumer.stream({ messagesMax: 1_000, signal: new AbortController().signal })) {
    consumer.ack(receipt, soon()).then(() => (ackedCount += 1), console.error);
    receivedCount += 1;
    if (receivedCount === warmCount) {
      startedMs = performance.now();
      sayMeasured();
    }
    if (receivedCount < count) continue;
    // The end of the stream would give back what is not acknowledged yet.
    while (ackedCount < count) await setImmediate();
    break;
  }
  sayDone(count - warmCount, performance.now() - startedMs);
  await consumer.close();
}

/** As `receive`, by the public API with its defaults, as the peers in other languages do it. */
async function push(group: string, count: number): Promise<void> {
  const warmCount = Math.floor(count / 5);
  const api = new RocketMQClient({ nameServers: [nameServer], logger: log });
  let receivedCount = 0;
  let startedMs = 0;
  await new Promise<void>((resolve, reject) => {
    const handler = (): void => {
      receivedCount += 1;
      if (receivedCount === warmCount) {
        startedMs = performance.now();
        sayMeasured();
      }
      if (receivedCount === count) resolve();
    };
    const consumer = api.pushConsumer({ group, handler, consumeFrom: 'first', consumeMode: 'pull' });
    consumer.subscribe(topic).catch(reject);
  });
  sayDone(count - warmCount, performance.now() - startedMs);
  await api.close();
}
