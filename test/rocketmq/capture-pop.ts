/** Captures POP, which 5.x has and 4.9 refuses. */
import { type CaptureSession, pullFields, send } from './capture-session.ts';
import type { RocketMQCluster } from './cluster.ts';
import type { WireReply } from './wire.ts';

const PULL_MESSAGE = 11;
const POP_MESSAGE = 200050;
const ACK_MESSAGE = 200051;
const CHANGE_MESSAGE_INVISIBLETIME = 200053;
const NOTIFICATION = 200054;
const BATCH_ACK_MESSAGE = 200151;
const redeliveryTriesMax = 20;

interface Pop {
  readonly topic: string;
  readonly group: string;
  readonly invisibleMs: number;
  readonly order?: boolean;
}

function pop(cluster: RocketMQCluster, { topic, group, invisibleMs, order }: Pop): Promise<WireReply> {
  return cluster.brokerCall(POP_MESSAGE, {
    consumerGroup: group,
    topic,
    queueId: '-1',
    maxMsgNums: '32',
    invisibleTime: String(invisibleMs),
    pollTime: '1000',
    bornTime: String(Date.now()),
    initMode: '0',
    expType: 'TAG',
    exp: '*',
    order: String(order ?? false),
  });
}

/** Polls until messages come: a redelivery comes 2 to 4 s after the invisible time. */
async function popAgain(cluster: RocketMQCluster, request: Pop): Promise<WireReply> {
  for (let tries = 0; tries < redeliveryTriesMax; tries += 1) {
    const reply = await pop(cluster, request);
    if (reply.code === 0) return reply;
  }
  throw new Error(`no message came from ${request.topic} again`);
}

/** The handle of one message of a first delivery: everything but queue and offset comes from the reply's header. */
function extraInfo(cluster: RocketMQCluster, reply: WireReply, queueId: number, queueOffset: number): string {
  const { popTime, invisibleTime, reviveQid } = reply.extFields;
  return `0 ${popTime} ${invisibleTime} ${reviveQid} 0 ${cluster.brokerName} ${queueId} ${queueOffset}`;
}

/** Everything about POP on 5.x. */
export async function capturePop(session: CaptureSession): Promise<void> {
  await captureDeliveries(session);
  await captureRedelivery(session);
  await captureLongGroup(session);
  await captureOrder(session);
}

async function captureDeliveries({ cluster, save }: CaptureSession): Promise<void> {
  const topic = 'fixture-pop';
  const group = 'GID_pop';
  await cluster.createTopic(topic, { queueCount: 4 });
  const empty = await pop(cluster, { topic, group, invisibleMs: 60_000 });
  await save('pop-timeout', '200050 on an empty topic, poll time 1 s', empty.frame, empty.code);
  for (const queueId of [0, 1, 2]) {
    await send(cluster, topic, queueId, { body: `first of ${queueId}`, properties: { TAGS: 'TagA' } });
    await send(cluster, topic, queueId, { body: `second of ${queueId}` });
  }
  const found = await pop(cluster, { topic, group, invisibleMs: 60_000 });
  const asked =
    '200050 on `fixture-pop`, queue -1, invisible time 60 s: two messages in each of queues 0, 1 and 2 of 4';
  await save('pop', asked, found.frame, found.code);

  const queue = { consumerGroup: group, topic, queueId: '0' };
  const first = { ...queue, offset: '0', extraInfo: extraInfo(cluster, found, 0, 0) };
  const ack = await cluster.brokerCall(ACK_MESSAGE, first);
  await save('ack', '200051 for the first message of queue 0', ack.frame, ack.code);
  const second = { ...queue, offset: '1', extraInfo: extraInfo(cluster, found, 0, 1), invisibleTime: '30000' };
  const changed = await cluster.brokerCall(CHANGE_MESSAGE_INVISIBLETIME, second);
  await save('change-invisible', '200053 for the second message of queue 0, 30 s', changed.frame, changed.code);
  const beyond = await cluster.brokerCall(ACK_MESSAGE, { ...first, offset: '99' });
  await save('ack-no-message', '200051 for offset 99, which does not exist', beyond.frame, beyond.code);
  const batchAck = await cluster.brokerCall(BATCH_ACK_MESSAGE, {}, batchAckBody(cluster, found, topic, group));
  await save('batch-ack', '200151 for both messages of queue 1', batchAck.frame, batchAck.code);
  const fields = { ...queue, queueId: '-1', pollTime: '1000', bornTime: String(Date.now()), order: 'false' };
  const notification = await cluster.brokerCall(NOTIFICATION, fields);
  await save(
    'notification',
    '200054 with nothing new in the topic, poll time 1 s',
    notification.frame,
    notification.code,
  );
}

/** Bits 0 and 1 of a little-endian bit set: offsets `so` and `so` + 1 of queue 1. */
function batchAckBody(cluster: RocketMQCluster, reply: WireReply, topic: string, group: string): Buffer {
  const { popTime, invisibleTime, reviveQid } = reply.extFields;
  const both = Buffer.from([0b11]).toString('base64');
  const ack = {
    c: group,
    t: topic,
    r: '0',
    so: 0,
    q: 1,
    rq: Number(reviveQid),
    pt: Number(popTime),
    it: Number(invisibleTime),
    b: both,
  };
  return Buffer.from(JSON.stringify({ brokerName: cluster.brokerName, acks: [ack] }));
}

async function captureRedelivery({ cluster, save }: CaptureSession): Promise<void> {
  const request = { topic: 'fixture-pop-retry', group: 'GID_pop_retry', invisibleMs: 1_000 };
  await cluster.createTopic(request.topic, { queueCount: 1 });
  const properties = { UNIQ_KEY: '7F0000010001000000000000000000C1', TAGS: 'TagA', KEYS: 'k1' };
  await send(cluster, request.topic, 0, { body: 'again', properties });
  await pop(cluster, request);
  const found = await popAgain(cluster, request);
  const asked =
    '200050 after the invisible time of a message (body `again`, TAGS `TagA`, KEYS `k1`, ' +
    'UNIQ_KEY `7F0000010001000000000000000000C1`) has passed: it comes from the retry topic';
  await save('pop-redelivery', asked, found.frame, found.code);
}

async function captureLongGroup({ cluster, save }: CaptureSession): Promise<void> {
  const request = { topic: 'fixture-pop-long', group: `GID_${'g'.repeat(116)}`, invisibleMs: 1_000 };
  await cluster.createTopic(request.topic, { queueCount: 1 });
  await send(cluster, request.topic, 0, { body: 'long' });
  await pop(cluster, request);
  const found = await popAgain(cluster, request);
  const asked = 'the same (body `long`) in a group of 120 characters: the retry topic is longer than 127 bytes';
  await save('pop-redelivery-long', asked, found.frame, found.code);
  const retryTopic = `%RETRY%${request.group}_${request.topic}`;
  const stored = await cluster.brokerCall(PULL_MESSAGE, pullFields(retryTopic, 0));
  await save('pull-v2', '11 on that retry topic: the stored message has layout V2', stored.frame, stored.code);
}

async function captureOrder({ cluster, save }: CaptureSession): Promise<void> {
  const request = { topic: 'fixture-pop-order', group: 'GID_pop_order', invisibleMs: 1_000, order: true };
  await cluster.createTopic(request.topic, { queueCount: 1, messageType: 'FIFO' });
  for (const body of ['a', 'b']) await send(cluster, request.topic, 0, { body, properties: { __SHARDINGKEY: 'k' } });
  const first = await pop(cluster, request);
  await save('pop-order', '200050 with order = true, two messages in one queue', first.frame, first.code);
  const again = await popAgain(cluster, request);
  await save(
    'pop-order-again',
    'the same after the invisible time: the counts are in `orderCountInfo`',
    again.frame,
    again.code,
  );
}

/** 4.9 does not know the code. */
export async function capturePopUnsupported({ cluster, save }: CaptureSession): Promise<void> {
  const refused = await pop(cluster, { topic: 'fixture-pull', group: 'GID_pop', invisibleMs: 60_000 });
  await save('pop-unsupported', '200050', refused.frame, refused.code);
}
