/** Captures what both versions speak: routes, sends, pulls, groups, transaction checks. */
import { deflateSync } from 'node:zlib';
import { CaptureClient, type CaptureSession, joinProperties, pullFields, send, sendFields } from './capture-session.ts';
import { call, encodeBinaryRequest, WireConnection } from './wire.ts';

const SEND_MESSAGE_V2 = 310;
const SEND_BATCH_MESSAGE = 320;
const HEART_BEAT = 34;

/** Route and cluster info, in standard JSON and as the name server writes it for old clients. */
export async function captureRoutes({ cluster, save }: CaptureSession): Promise<void> {
  await cluster.createTopic('fixture-route', { queueCount: 4 });
  const extFields = { topic: 'fixture-route' };
  const route = await call(cluster.nameServer, { code: 105, extFields });
  await save('route', '105 for topic `fixture-route` (4 queues), request version 407', route.frame, route.code);
  const oldRoute = await call(cluster.nameServer, { code: 105, extFields, version: 399 });
  await save('route-unquoted', 'the same, request version 399: unquoted keys', oldRoute.frame, oldRoute.code);
  const unknown = await call(cluster.nameServer, { code: 105, extFields: { topic: 'fixture-unknown' } });
  await save('route-unknown', '105 for a topic that does not exist', unknown.frame, unknown.code);
  const info = await call(cluster.nameServer, { code: 106 });
  await save('cluster-info', '106; key 0 is unquoted', info.frame, info.code);
}

/** Replies to sends: stored, refused, batch. */
export async function captureSends({ cluster, save }: CaptureSession): Promise<void> {
  await cluster.createTopic('fixture-send', { queueCount: 2 });
  const body = Buffer.from('hello');
  const sent = await cluster.brokerCall(SEND_MESSAGE_V2, sendFields('fixture-send', 1), body);
  await save('send', '310 to queue 1 of `fixture-send`, first message of the queue', sent.frame, sent.code);

  const binary = new WireConnection(cluster.brokerAddress);
  binary.write(encodeBinaryRequest({ code: SEND_MESSAGE_V2, extFields: sendFields('fixture-send', 1), body }));
  const binaryReply = await binary.read();
  binary.close();
  await save('send-binary', '310 with a binary header to queue 1 of `fixture-send`, second message', binaryReply, 0);

  const illegal = await cluster.brokerCall(SEND_MESSAGE_V2, sendFields('fixture.send', 0), body);
  await save('send-illegal-topic', '310 to `fixture.send`: no dot may be in a topic', illegal.frame, illegal.code);
  const tooLarge = Buffer.alloc(4 * 1024 * 1024 + 65_536, 'x');
  const refused = await cluster.brokerCall(SEND_MESSAGE_V2, sendFields('fixture-send', 0), tooLarge);
  await save('send-too-large', '310 with a body of 4 MiB + 64 KiB', refused.frame, refused.code);

  const records = Buffer.concat([batchRecord('one', { UNIQ_KEY: 'A1' }), batchRecord('two', { UNIQ_KEY: 'A2' })]);
  const batch = await cluster.brokerCall(SEND_BATCH_MESSAGE, sendFields('fixture-send', 0, { batch: true }), records);
  await save('send-batch', '320 with two messages to queue 0 of `fixture-send`', batch.frame, batch.code);
}

/** Total size, magic, CRC (both 0), flag, body, properties. */
function batchRecord(body: string, properties: Readonly<Record<string, string>>): Buffer {
  const bytes = Buffer.from(body);
  const propertyBytes = Buffer.from(joinProperties(properties));
  const record = Buffer.alloc(22 + bytes.length + propertyBytes.length);
  record.writeInt32BE(record.length, 0);
  record.writeInt32BE(bytes.length, 16);
  bytes.copy(record, 20);
  record.writeInt16BE(propertyBytes.length, 20 + bytes.length);
  propertyBytes.copy(record, 22 + bytes.length);
  return record;
}

/** Pulls: six messages that differ in what a decoder must handle, and the answers without messages. */
export async function capturePulls({ cluster, save }: CaptureSession): Promise<void> {
  await cluster.createTopic('fixture-pull', { queueCount: 1 });
  await send(cluster, 'fixture-pull', 0, { body: 'plain' });
  const tagged = { UNIQ_KEY: '7F0000010001000000000000000000A1', TAGS: 'TagA', KEYS: 'k1 k2' };
  await send(cluster, 'fixture-pull', 0, { body: 'tagged', properties: tagged, flag: 7 });
  const unicode = { city: 'Zürich', 名前: '値', rocket: '🚀' };
  await send(cluster, 'fixture-pull', 0, { body: 'Grüße 你好 🚀', properties: unicode });
  await send(cluster, 'fixture-pull', 0, { body: deflateSync('compress me '.repeat(100)), sysFlag: 1 });
  await send(cluster, 'fixture-pull', 0, { body: 'empty property', properties: { empty: '', TAGS: 'TagB' } });
  await send(cluster, 'fixture-pull', 0, { body: deflateSync(''), sysFlag: 1 });

  const found = await cluster.brokerCall(11, pullFields('fixture-pull', 0));
  const asked =
    '11 from offset 0 of `fixture-pull`: 1. body `plain`; 2. body `tagged`, TAGS `TagA`, KEYS `k1 k2`, user flag 7, ' +
    'UNIQ_KEY `7F0000010001000000000000000000A1`; 3. body `Grüße 你好 🚀`, properties `city` = `Zürich`, `名前` = `値`, ' +
    '`rocket` = `🚀`; 4. zlib of 100 times `compress me `; 5. body `empty property`, property `empty` sent with an empty ' +
    'value, TAGS `TagB`; 6. zlib of an empty body';
  await save('pull', asked, found.frame, found.code);
  const tail = await cluster.brokerCall(11, pullFields('fixture-pull', 6));
  await save('pull-not-found', '11 from offset 6, the end of the queue', tail.frame, tail.code);
  const moved = await cluster.brokerCall(11, pullFields('fixture-pull', 99));
  await save('pull-offset-moved', '11 from offset 99, beyond the end', moved.frame, moved.code);
}

/** Heartbeats of two consumers of one group, and what they bring. */
export async function captureGroups({ cluster, save }: CaptureSession): Promise<void> {
  const first = new CaptureClient(cluster.brokerAddress);
  const second = new CaptureClient(cluster.brokerAddress);
  try {
    const heartbeat = await first.call({ code: HEART_BEAT, body: consumerHeartbeat('fixture-1') });
    await save('heartbeat', '34 of consumer `fixture-1`', heartbeat.frame, heartbeat.code);
    await second.call({ code: HEART_BEAT, body: consumerHeartbeat('fixture-2') });
    const notified = await first.requestFromBroker(40);
    await save('notify-consumer-ids-changed', 'sent by the broker after 34 in group `GID_fixture`', notified, 40);

    const ids = await first.call({ code: 38, extFields: { consumerGroup: 'GID_fixture' } });
    await save('consumer-ids', '38 with `fixture-1` and `fixture-2` in the group', ids.frame, ids.code);
    const queue = { topic: 'fixture-pull', brokerName: cluster.brokerName, queueId: 0 };
    const lock = { consumerGroup: 'GID_fixture', clientId: 'fixture-1', mqSet: [queue] };
    const locked = await first.call({ code: 41, body: Buffer.from(JSON.stringify(lock)) });
    await save('lock-batch', '41 for queue 0 of `fixture-pull`', locked.frame, locked.code);
    const offset = await first.call({
      code: 14,
      extFields: { consumerGroup: 'GID_fixture', topic: 'fixture-pull', queueId: '0', setZeroIfNotFound: 'false' },
    });
    await save(
      'query-offset',
      '14 for a group without an offset, `setZeroIfNotFound` false',
      offset.frame,
      offset.code,
    );
    const group = await first.call({ code: 352, extFields: { group: 'GID_fixture' } });
    await save('subscription-group', '352 for `GID_fixture`', group.frame, group.code);
  } finally {
    first.close();
    second.close();
  }
}

function consumerHeartbeat(clientID: string): Buffer {
  const subscription = {
    topic: 'fixture-pull',
    subString: '*',
    tagsSet: [],
    codeSet: [],
    subVersion: 1,
    expressionType: 'TAG',
    classFilterMode: false,
  };
  const consumer = {
    groupName: 'GID_fixture',
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    subscriptionDataSet: [subscription],
    unitMode: false,
  };
  return Buffer.from(JSON.stringify({ clientID, producerDataSet: [], consumerDataSet: [consumer] }));
}

/** A half message that nobody ends: the broker asks its producer group. */
export async function captureTransactionCheck({ cluster, save }: CaptureSession): Promise<void> {
  await cluster.createTopic('fixture-transaction', { queueCount: 1, messageType: 'TRANSACTION' });
  const producer = new CaptureClient(cluster.brokerAddress);
  try {
    const producers = [{ groupName: 'PID_fixture' }];
    const body = Buffer.from(
      JSON.stringify({ clientID: 'fixture-3', producerDataSet: producers, consumerDataSet: [] }),
    );
    await producer.call({ code: HEART_BEAT, body });
    const properties = { UNIQ_KEY: '7F0000010001000000000000000000B1', TRAN_MSG: 'true', PGROUP: 'PID_fixture' };
    await send(cluster, 'fixture-transaction', 0, { body: 'half', properties, sysFlag: 4 });
    const check = await producer.requestFromBroker(39);
    const asked =
      'sent by the broker for a half message of `PID_fixture`, body `half`, UNIQ_KEY `7F0000010001000000000000000000B1`';
    await save('check-transaction', asked, check, 39);
  } finally {
    producer.close();
  }
}
