/** what becomes of the messages of a consumer that dies. */
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { MessageProperty } from '../../src/remoting/message.ts';
import { popRetryTopicV1 } from '../../src/remoting/topic-names.ts';
import { type ClientProcess, type HeldMessage, startClientProcess } from '../support/client-process.ts';
import { connectEngine } from '../support/engine-client.ts';
import { History } from '../support/history.ts';
import { outgoing, Reader, soon } from '../support/real-client.ts';
import { largest, Row } from './figures.ts';
import type { Stage } from './stages.ts';

const leftCount = 1_000;
const invisibleDurationMs = 15_000;
/** Longest that a message may lie ready at a broker while somebody polls, in ms. */
const cameMsMax = 2_000;
/** Longest that a member may take to have the queues of one that died, and all of their messages, in ms. */
const takenOverMsMax = 4_000;

/** By POP the broker delivers them again when their time is over. @param lateMsMax longest that it may take to. */
export async function leftBehindByPop(stage: Stage, lateMsMax: number): Promise<void> {
  const row = new Row(`R-15 ${stage.title}`);
  const subscriber = subscriberOf(stage);
  await stage.createTopic(subscriber.topic);
  const dying = startDying(stage, subscriber);
  const sender = stage.clients.create();
  await reads(dying, sender, subscriber.topic);
  await sendAll(sender, subscriber.topic, leftCount);
  const held = await all(dying);
  await dying.stop();
  const options = {
    mode: 'pop',
    ack: false,
    invisibleDurationMs: 60_000,
    messagesMax: 2 * leftCount,
    pollDurationMs: 5_000,
  } as const;
  const heir = await Reader.open(stage.clients.create(), subscriber, options);
  await hasCome(heir, held);
  // What comes once too often would come about now.
  await sleep(3_000);
  const visibleAtMs = new Map(held.map((message) => [message.messageId, message.visibleAtMs]));
  const cameAtMs = new Map(heir.messages.map(({ messageId }, index) => [messageId, heir.receivedAtMs[index] ?? 0]));
  const lateMs = held.map(({ messageId }) => (cameAtMs.get(messageId) ?? Infinity) - (visibleAtMs.get(messageId) ?? 0));
  judgeDeliveries(row, held, heir);
  const revivedMs = await revivedAtMs(stage, popRetryTopicV1(subscriber.group, subscriber.topic));
  const readyMs = [...revivedMs].map(([messageId, atMs]) => atMs - (visibleAtMs.get(messageId) ?? Infinity));
  const lyingMs = [...revivedMs].map(([messageId, atMs]) => (cameAtMs.get(messageId) ?? 0) - atMs);
  row
    .exactly('before their time', lateMs.filter((ms) => ms < -50).length, 0)
    .tell('after the invisible duration the broker had the last one ready', largest(readyMs), 'ms')
    .atMost('what was ready came after', largest(lyingMs), cameMsMax, 'ms')
    .atMost('after the invisible duration the last one came', largest(lateMs), lateMsMax, 'ms')
    .judge();
  await heir.stop();
}

/** By pull the other members have its queues as soon as the broker has seen it go. */
export async function leftBehindByPull(stage: Stage): Promise<void> {
  const row = new Row(`R-15 ${stage.title}`);
  const subscriber = subscriberOf(stage);
  await stage.createTopic(subscriber.topic);
  const heir = await Reader.open(stage.clients.create(), subscriber, { mode: 'pull', pollDurationMs: 5_000 });
  const dying = startDying(stage, subscriber);
  const sender = stage.clients.create();
  await haveHalfEach(heir, dying, sender, subscriber.topic);
  const heirCount = heir.messages.length;
  await sendAll(sender, subscriber.topic, 2 * leftCount);
  const held = await all(dying);
  await heir.count(heirCount + leftCount);
  const killedMs = Date.now();
  await dying.stop();
  await hasCome(heir, held);
  const tookMs = Date.now() - killedMs;
  // What comes once too often would come about now.
  await sleep(3_000);
  const ids = new Set(held.map(({ messageId }) => messageId));
  const own = heir.messages
    .slice(heirCount)
    .filter(({ body, messageId }) => !(ids.has(messageId) || body.toString() === 'probe'));
  judgeDeliveries(row, held, heir);
  row
    .exactly('of the others more than once', own.length - new Set(own.map(({ messageId }) => messageId)).size, 0)
    .exactly('acks refused', heir.ackFailures.length, 0)
    .atMost('after its death another member had the last one', tookMs, takenOverMsMax, 'ms')
    .judge();
  await heir.stop();
}

/** Brokers of one cluster have a topic each. */
function subscriberOf({ title }: Stage): { readonly group: string; readonly topic: string } {
  const name = title.replaceAll(/\W+/g, '-');
  return { group: `g-left-behind-${name}`, topic: `left-behind-${name}` };
}

function startDying({ nameServer, way }: Stage, subscriber: { group: string; topic: string }): ClientProcess {
  const messagesMax = 2 * leftCount;
  // By pull it is the client that ends the time of a message, which must not happen here.
  const durationMs = way === 'pop' ? invisibleDurationMs : 120_000;
  const dying = startClientProcess({
    nameServer,
    ...subscriber,
    mode: way,
    invisibleDurationMs: durationMs,
    messagesMax,
  });
  onTestFinished(() => dying.stop());
  return dying;
}

/** Sends until the process has got something: what is sent before a new group has begun is not for it. */
async function reads(dying: ClientProcess, sender: ClusterClient, topic: string): Promise<void> {
  for (let count = 0; dying.messages.length === 0; count += 1) {
    await sender.producer.send(outgoing(topic, `probe${count}`), soon());
    await sleep(200);
  }
}

/** Sends one message to each of the 4 queues at a time, until both members get two of them. */
async function haveHalfEach(heir: Reader, dying: ClientProcess, sender: ClusterClient, topic: string): Promise<void> {
  for (;;) {
    const before = [heir.messages.length, dying.messages.length] as const;
    for (let count = 0; count < 4; count += 1) await sender.producer.send(outgoing(topic, 'probe'), soon());
    await sleep(500);
    if (heir.messages.length === before[0] + 2 && dying.messages.length === before[1] + 2) return;
  }
}

async function sendAll(sender: ClusterClient, topic: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 100) {
    const ids = Array.from({ length: 100 }, (_, index) => `m${sent + index}`);
    await Promise.all(ids.map((id) => sender.producer.send(outgoing(topic, id), soon())));
  }
}

/** What the process holds, without what it was tried with. */
async function all(dying: ClientProcess): Promise<readonly HeldMessage[]> {
  const probeCount = dying.messages.filter(({ body }) => body.startsWith('probe')).length;
  return (await dying.received(probeCount + leftCount)).filter(({ body }) => !body.startsWith('probe'));
}

/** Waits until a reader has had each of these messages. */
async function hasCome(reader: Reader, held: readonly HeldMessage[]): Promise<void> {
  const missing = new Set(held.map(({ messageId }) => messageId));
  for (let seen = 0; missing.size > 0; await sleep(5)) {
    for (; seen < reader.messages.length; seen += 1) missing.delete(reader.messages[seen]?.messageId ?? '');
  }
}

/** Each message that was held must have come again, once. */
function judgeDeliveries(row: Row, held: readonly HeldMessage[], heir: Reader): void {
  const history = new History();
  const ids = new Set(held.map(({ messageId }) => messageId));
  const again = heir.messages.filter(({ messageId }) => ids.has(messageId));
  for (const { messageId: id } of held) history.add({ op: 'send', id, startMs: 0, endMs: 0, outcome: 'stored' });
  for (const { messageId: id } of again)
    history.add({ op: 'delivery', id, queue: id, queueOffset: 0, attempt: '1', atMs: performance.now() });
  row.judged(history);
  row.exactly('delivered again, of 1,000', again.length, leftCount);
}

/** When the broker stored the copies of messages that were to be delivered again, by message id; the engine stores none. */
async function revivedAtMs({ broker }: Stage, retryTopic: string): Promise<Map<string, number>> {
  const wire = await connectEngine(broker.brokerAddress);
  const revived = new Map<string, number>();
  for (let offset = 0; ; ) {
    const pulled = await wire.pull(retryTopic, { group: 'judge', offset }).catch(() => undefined);
    if (pulled === undefined || pulled.messages.length === 0) return revived;
    for (const { properties, storeTimestampMs } of pulled.messages) {
      revived.set(properties.get(MessageProperty.UNIQ_KEY) ?? '', storeTimestampMs);
    }
    offset = pulled.nextBeginOffset;
  }
}
