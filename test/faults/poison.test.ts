import { setTimeout as sleep } from 'node:timers/promises';
import { it, onTestFinished } from 'vitest';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { connectEngine, startTestEngine } from '../support/engine-client.ts';
import { History } from '../support/history.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { percentile, Row } from './figures.ts';
import { Load, sendBy } from './load.ts';

const topic = 'topic';
const group = 'g-poison';
const attemptsMax = 5;
const deadLetterTopic = `%DLQ%${group}`;

it('R-21: messages that no handler can bear', async () => {
  const row = new Row('R-21');
  const engine = await startTestEngine();
  const broker = await connectEngine(engine.brokerAddress);
  const settings = {
    groupName: group,
    retryMaxTimes: attemptsMax - 1,
    retryQueueNums: 1,
    brokerId: 0,
    consumeEnable: true,
  };
  await broker.invoke({
    code: RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
    extFields: {},
    body: Buffer.from(JSON.stringify(settings)),
  });
  const clients = new RealClients(engine.nameServer);
  onTestFinished(() => clients.close());
  const client = clients.create();
  const reader = await Reader.open(client, { group, topic }, { ack: false });
  const handled = new Set<unknown>();
  /** As a handler: acknowledges what it can bear, and gives back what it cannot. */
  const handle = async (): Promise<void> => {
    for (const message of reader.messages) {
      if (handled.has(message)) continue;
      handled.add(message);
      if (message.body.toString().startsWith('poison')) await reader.consumer.nack(message.receipt, 500, soon());
      else await reader.consumer.ack(message.receipt, soon());
    }
  };
  const timer = setInterval(() => void handle(), 10);
  onTestFinished(() => clearInterval(timer));
  const history = new History();
  const run = async (prefix: string): Promise<number> => {
    const load = new Load(history, sendBy(client, topic, 5_000)).start(50, prefix);
    onTestFinished(() => load.stop());
    await sleep(6_000);
    await load.stop();
    await reader.until(() => load.sends.every(({ id }) => reader.bodies.includes(id)));
    const sentAtMs = new Map(load.sends.map(({ id, startMs }) => [id, startMs]));
    const offsetMs = Date.now() - performance.now();
    const times = reader.messages.flatMap(({ body }, index) => {
      const sent = sentAtMs.get(body.toString());
      return sent === undefined ? [] : [(reader.receivedAtMs[index] ?? 0) - offsetMs - sent];
    });
    return percentile(times, 50);
  };
  const aloneMs = await run('alone');
  const poison = Array.from({ length: 20 }, (_, index) => `poison${index}`);
  await Promise.all(poison.map((body) => client.producer.send(outgoing(topic, body), soon())));
  for (const id of poison) history.add({ op: 'send', id, startMs: 0, endMs: 0, outcome: 'stored' });
  const besideMs = await run('beside');
  const attempts = poison.map((body) => reader.bodies.filter((one) => one === body).length);
  const letters = await Reader.open(client, { group: 'g-letters', topic: deadLetterTopic });
  await letters.count(poison.length);
  await sleep(1_000);
  for (const { body, messageId } of reader.messages) {
    const id = body.toString();
    history.add({ op: 'delivery', id, queue: messageId, queueOffset: 0, attempt: '1', atMs: performance.now() });
  }
  row.judged(history);
  row
    .exactly('dead letters', letters.messages.length, poison.length)
    .exactly('attempts, fewest', Math.min(...attempts), attemptsMax)
    .exactly('attempts, most', Math.max(...attempts), attemptsMax)
    .tell('median of the others, alone', aloneMs, 'ms')
    .atMost('others later by', Math.max(0, besideMs - aloneMs), 100, 'ms')
    .judge();
});
