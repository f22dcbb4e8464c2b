/** messages that no handler can bear, among others. */
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { createTopicOn } from '../rocketmq/cluster.ts';
import { connectEngine } from '../support/engine-client.ts';
import { History } from '../support/history.ts';
import { outgoing, Reader, soon } from '../support/real-client.ts';
import { percentile, Row } from './figures.ts';
import { Load, sendBy } from './load.ts';
import type { Stage } from './stages.ts';

const topic = 'poisoned';
const group = 'g-poison';
const attemptsMax = 5;
const poison = Array.from({ length: 20 }, (_, index) => `poison${index}`);
const deadLetterTopic = `%DLQ%${group}`;

export async function poisonOn(stage: Stage): Promise<void> {
  const row = new Row(`R-21 ${stage.title}`);
  await stage.createTopic(topic);
  await limitAttempts(stage);
  const client = stage.clients.create();
  const reader = await Reader.open(
    client,
    { group, topic },
    {
      mode: stage.way,
      ack: false,
      // As a handler: acknowledges what it can bear, and gives back what it cannot.
      onMessage: async ({ body, receipt }, consumer) => {
        if (body.toString().startsWith('poison')) void consumer.nack(receipt, 500, soon());
        else await consumer.ack(receipt, soon());
      },
    },
  );
  const history = new History();
  // What is cold at first would pass for what poison does.
  await medianMs(client, reader, 'cold', history);
  const aloneMs = await medianMs(client, reader, 'alone', history);
  await Promise.all(poison.map((body) => client.producer.send(outgoing(topic, body), soon())));
  for (const id of poison) history.add({ op: 'send', id, startMs: 0, endMs: 0, outcome: 'stored' });
  const besideMs = await medianMs(client, reader, 'beside', history);
  const letters = await deadLetters(stage);
  const attempts = poison.map((body) => reader.bodies.filter((one) => one === body).length);
  for (const { body, messageId } of reader.messages) {
    const id = body.toString();
    history.add({ op: 'delivery', id, queue: messageId, queueOffset: 0, attempt: '1', atMs: performance.now() });
  }
  row.judged(history);
  row
    .exactly('dead letters', letters.length, poison.length)
    .exactly('messages that are dead', new Set(letters).size, poison.length)
    .exactly('attempts, fewest', Math.min(...attempts), attemptsMax)
    .exactly('attempts, most', Math.max(...attempts), attemptsMax)
    .tell('median of the others, alone', aloneMs, 'ms')
    .atMost('others later by', Math.max(0, besideMs - aloneMs), 100, 'ms')
    .judge();
  await reader.stop();
}

/** Sends for 6 s, and says how long the way of a message to the reader took. */
async function medianMs(client: ClusterClient, reader: Reader, prefix: string, history: History): Promise<number> {
  const load = new Load(history, sendBy(client, topic, 5_000)).start(50, prefix);
  onTestFinished(() => load.stop());
  await sleep(6_000);
  await load.stop();
  const sentAtMs = new Map(load.sends.map(({ id, startMs }) => [id, startMs]));
  const offsetMs = Date.now() - performance.now();
  const times = (): number[] =>
    reader.messages.flatMap(({ body }, index) => {
      const sent = sentAtMs.get(body.toString());
      return sent === undefined ? [] : [(reader.receivedAtMs[index] ?? 0) - offsetMs - sent];
    });
  await reader.until(() => times().length >= load.sends.length);
  return percentile(times(), 50);
}

async function limitAttempts({ broker }: Stage): Promise<void> {
  const settings = {
    groupName: group,
    retryMaxTimes: attemptsMax - 1,
    retryQueueNums: 1,
    brokerId: 0,
    consumeEnable: true,
  };
  const { code } = await broker.brokerCall(
    RequestCode.UPDATE_AND_CREATE_SUBSCRIPTIONGROUP,
    {},
    Buffer.from(JSON.stringify(settings)),
  );
  if (code !== 0) throw new Error(`the broker refused the group: ${code}`);
  // Brokers 4.x make this topic such that nobody may read it.
  await createTopicOn(broker, deadLetterTopic, { queueCount: 1 });
}

/** Bodies of all dead letters, once there are as many as there must be, and a while has passed in which more would come. */
async function deadLetters({ broker }: Stage): Promise<readonly string[]> {
  const wire = await connectEngine(broker.brokerAddress);
  const bodies: string[] = [];
  for (let [offset, moreUntilMs] = [0, Infinity]; performance.now() < moreUntilMs; await sleep(50)) {
    const pulled = await wire.pull(deadLetterTopic, { group: 'g-letters', offset });
    bodies.push(...pulled.bodies);
    offset = pulled.nextBeginOffset;
    if (bodies.length >= poison.length) moreUntilMs = Math.min(moreUntilMs, performance.now() + 2_000);
  }
  return bodies;
}
