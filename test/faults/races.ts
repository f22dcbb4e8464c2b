/** acks, renewals and ends of time that meet. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientError } from '../../src/client/errors.ts';
import { History } from '../support/history.ts';
import { outgoing, Reader, soon } from '../support/real-client.ts';
import { Row } from './figures.ts';
import type { Stage } from './stages.ts';

const topic = 'races';
const messageCount = 40;
/** Messages of which the receiver says nothing until it is too late. */
const heldCount = 10;
const invisibleDurationMs = 4_000;
const indexes = Array.from({ length: messageCount }, (_, index) => index);

/** How an ack of a message that is renewed all the time is made. */
type Manner = 'once' | 'twice' | 'beside a change';
const manners: readonly Manner[] = ['once', 'twice', 'beside a change'];

export async function racesOn(stage: Stage): Promise<void> {
  const row = new Row(`R-20 ${stage.title}`);
  await stage.createTopic(topic);
  const client = stage.clients.create();
  const history = new History();
  const options = { mode: stage.way, ack: false, invisibleDurationMs };
  const renewed = await Reader.open(client, { group: 'g-renewed', topic }, { ...options, renewalDurationMs: 30_000 });
  const expiring = await Reader.open(client, { group: 'g-expiring', topic }, options);
  for (const index of indexes) {
    await client.producer.send(outgoing(topic, `m${index}`), soon());
    history.add({ op: 'send', id: `m${index}`, startMs: 0, endMs: 0, outcome: 'stored' });
  }
  await Promise.all([renewed.count(messageCount), expiring.count(messageCount)]);
  const held = expiring.messages.slice(0, heldCount);
  for (const { receipt } of expiring.messages.slice(heldCount, messageCount))
    await expiring.consumer.ack(receipt, soon());
  const acked = Promise.all(indexes.map((index) => ackAtSomeTime(renewed, index, history)));
  await sleep(invisibleDurationMs + 500);
  const refusals = await Promise.allSettled(held.map(({ receipt }) => expiring.consumer.ack(receipt, soon())));
  const refused = (await acked).filter((isInTime) => !isInTime).length;
  const beforeCount = messageCount;
  // Until a second live checkpoint of an acknowledged message would have delivered it again.
  await sleep(2 * invisibleDurationMs + 1_000);
  noteDeliveries(history, renewed);
  row.judged(history);
  const comeAgain = new Set(expiring.messages.slice(beforeCount).map(({ messageId }) => messageId));
  const heldIds = new Set(held.map(({ messageId }) => messageId));
  row
    .exactly('acks in time that were refused', refused, 0)
    .exactly(`acks after the end that were told so, of ${heldCount}`, refusals.filter(isExpired).length, heldCount)
    .exactly('of these messages delivered again', [...heldIds].filter((id) => comeAgain.has(id)).length, heldCount)
    .exactly('others delivered again', [...comeAgain].filter((id) => !heldIds.has(id)).length, 0)
    .judge();
  await Promise.all([renewed.stop(), expiring.stop()]);
}

/** Says whether every ack of the message was a success, or lost the race against a change of its duration, which then has it. */
async function ackAtSomeTime(reader: Reader, index: number, history: History): Promise<boolean> {
  await sleep(200 * index);
  const { receipt, body, messageId } = await reader.nth(index);
  const ack = (): Promise<void> => reader.consumer.ack(receipt, soon());
  const manner = manners[index % manners.length];
  let inTime = true;
  if (manner === 'beside a change') {
    const changed = reader.consumer.changeInvisibleDuration(receipt, invisibleDurationMs, soon());
    const [change, first] = await Promise.allSettled([changed, ack()]);
    // Whichever came second is told that it did, and then the message ends by the receipt that counts.
    if (change.status === 'fulfilled' && first.status === 'rejected') await reader.consumer.ack(change.value, soon());
    inTime = change.status === 'fulfilled' || first.status === 'fulfilled';
  } else {
    const results = await Promise.allSettled(manner === 'twice' ? [ack(), ack()] : [ack()]);
    inTime = results.every(({ status }) => status === 'fulfilled');
  }
  const queue = `renewed/${messageId}`;
  history.add({ op: 'ack', id: body.toString(), queue, queueOffset: 0, endMs: performance.now(), inTime });
  return inTime;
}

function noteDeliveries(history: History, reader: Reader): void {
  const clockMs = performance.now() - Date.now();
  for (const [index, { body, messageId }] of reader.messages.entries()) {
    const atMs = (reader.receivedAtMs[index] ?? 0) + clockMs;
    const id = body.toString();
    history.add({ op: 'delivery', id, queue: `renewed/${messageId}`, queueOffset: 0, attempt: '1', atMs });
  }
}

function isExpired(result: PromiseSettledResult<void>): boolean {
  return result.status === 'rejected' && result.reason instanceof ClientError && result.reason.kind === 'expired';
}
