import { status } from '@grpc/grpc-js';
import { expect, it, onTestFinished } from 'vitest';
import { MessageProperty } from '../../src/remoting/message.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { Row } from '../faults/figures.ts';
import { seededRandom } from '../support/chaos-proxy.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import type { SendRequest } from '../support/published-api.ts';
import { sentProperties } from '../support/scripted-cluster.ts';
import { startTestCluster, startTestProxy } from '../support/started-proxy.ts';

const messageCount = 3_000;
const nameCount = 1_000;
const atOnce = 50;

const random = seededRandom(66);
const below = (bound: number): number => Math.floor(random() * bound);
const pick = <T>(values: readonly T[]): T | undefined => values[below(values.length)];

/** Names that mean something to brokers. */
const reserved = [...Object.values(MessageProperty), '__RMQ.TRANSIENT.x', 'DELAY', 'REAL_TOPIC', 'TRAN_MSG', 'POP_CK'];
const pieces = ['a', 'ä', '🚀', '\u0000', '\u0003', ' ', '=', '\n', '%', '__proto__', 'constructor', '1', ''];
const separators = ['\u0001', '\u0002', '\u0002DELAY\u000118', '\u0001x\u0002'];

function text(): string {
  const parts = Array.from({ length: 1 + below(3) }, () => pick(below(8) === 0 ? separators : pieces) ?? '');
  return parts.join('');
}

const hostileNames = [
  ...['%RETRY%g', '%DLQ%g', 'MQ_INST_1%a', 'rmq_sys_x', 'RMQ_SYS_TRANS_HALF_TOPIC', 'SCHEDULE_TOPIC_XXXX', 'TBW102'],
  ...['CID_RMQ_SYS_x', 'TOOLS_CONSUMER', '../a', 'a/b', 'a.b', 'a b', '', 'a\u0001b', 'a\u0000', 'größe'],
];

/** A name that begins, ends or goes on as one does that no client may use. */
function hostileName(): string {
  const name = pick(hostileNames) ?? '';
  const isWhole = /^(rmq_sys_|RMQ_SYS|CID_|SCHEDULE|TBW|TOOLS)/.test(name) || name === '';
  return isWhole ? name : `${below(2) === 0 ? 'x' : ''}${name}${below(2) === 0 ? 'x' : ''}`;
}

/** Runs so many at once. */
async function each(count: number, work: () => Promise<void>): Promise<void> {
  for (let done = 0; done < count; done += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - done) }, work));
  }
}

it('R-66: nobody forges properties or uses names of RocketMQ’s own', { timeout: 300_000 }, async () => {
  const { cluster } = await startTestCluster();
  const started = await startTestProxy({
    defaults: { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '', instanceId: '' },
  });
  const client = new ProxyClient(`127.0.0.1:${started.port}`);
  onTestFinished(() => client.close());
  const producer_id = await client.createProducer('topic');
  const sent = new Map<string, Omit<SendRequest, 'producer_id' | 'message_body'>>();
  let refusedCount = 0;
  let otherCount = 0;
  const refuse = (error: unknown): void => {
    if (Object(error).code === status.INVALID_ARGUMENT) refusedCount += 1;
    else otherCount += 1;
  };

  await each(messageCount, async () => {
    const names = Array.from({ length: below(4) }, () => (below(10) === 0 ? (pick(reserved) ?? '') : text()));
    // protobuf-es and grpc-js keep maps in plain objects, in which nothing can have that name.
    const usable = names.filter((name) => name !== '__proto__');
    const properties = Object.fromEntries(usable.map((name) => [name, text()]));
    const request = { tag: text(), properties: { properties, message_key: text(), sharding_key: text() } };
    const send = client.send('SendMessage', { producer_id, message_body: 'x', ...request });
    await send.then(({ message_id }) => sent.set(message_id, request), refuse);
  });
  const refusedMessageCount = refusedCount;
  // What stands in the request to the broker, by message id: nothing but what was asked for.
  const requests = cluster.broker.requests(RequestCode.SEND_MESSAGE_V2);
  let forgedCount = 0;
  for (const request of requests) {
    const { UNIQ_KEY = '', WAIT: _, ...others } = Object.fromEntries(sentProperties(request));
    if (!isSame(others, sent.get(UNIQ_KEY))) forgedCount += 1;
  }

  await each(nameCount, async () => {
    const name = hostileName();
    const create = below(2) === 0 ? client.createProducer(name) : client.createConsumer(...pair(name));
    await create.then(() => (otherCount += 1), refuse);
  });
  const routes = cluster.nameServer.requests(RequestCode.GET_ROUTEINFO_BY_TOPIC);
  // The client itself looks whether brokers make topics.
  const askedCount = routes.filter(({ extFields }) => !['topic', 'TBW102'].includes(extFields['topic'] ?? '')).length;
  new Row('R-66')
    .tell('messages with hostile properties, tags and keys', messageCount)
    .tell('of them refused', refusedMessageCount)
    .exactly('of them stored, and not answered so', requests.length - sent.size, 0)
    .exactly('stored with a property that was not asked for, or without one', forgedCount, 0)
    .tell('names that clients may not use', nameCount)
    .exactly('of them asked for at the name server', askedCount, 0)
    .exactly('answered otherwise than INVALID_ARGUMENT', otherCount, 0)
    .judge();
  expect(refusedMessageCount).toBeGreaterThan(0);
  expect(sent.size).toBeGreaterThan(0);
});

/** As a topic, or as a group. */
function pair(name: string): [string, string] {
  return below(2) === 0 ? [name, 'group'] : ['topic', name];
}

function isSame(stored: Readonly<Record<string, string>>, asked: Partial<SendRequest> | undefined): boolean {
  const { tag = '', properties = {} } = asked ?? {};
  const { properties: own = {}, message_key = '', sharding_key = '' } = properties;
  const expected = { ...own, TAGS: tag, KEYS: message_key, __SHARDINGKEY: sharding_key };
  // RocketMQ does not store a property whose value is empty.
  const wanted = Object.entries(expected).filter(([, value]) => value !== '');
  const there = Object.entries(stored).filter(([, value]) => value !== '');
  const sorted = (entries: [string, string][]): string => JSON.stringify(entries.toSorted());
  return asked !== undefined && sorted(wanted) === sorted(there);
}
