import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it, onTestFinished } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { ClientError } from '../../src/client/errors.ts';
import type { ClientOptions } from '../../src/client/options.ts';
import type { PendingTransaction, TransactionChecker } from '../../src/client/send/transactions.ts';
import { MessageProperty } from '../../src/remoting/message.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { TransactionOutcome } from '../../src/remoting/requests/end-transaction.ts';
import { popRetryTopicV1 } from '../../src/remoting/topic-names.ts';
import { createTopicOn, type RocketMQCluster, startRocketMQ } from '../rocketmq/cluster.ts';
import { skipRocketMQ } from '../rocketmq/java.ts';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { connectEngine, type EngineClient } from '../support/engine-client.ts';
import { History } from '../support/history.ts';
import { outgoing, popReceiptOf, Reader, RealClients, soon } from '../support/real-client.ts';
import { routesScript } from '../support/scripted-cluster.ts';
import { ScriptedPeer } from '../support/scripted-peer.ts';
import { largest, Row } from './figures.ts';
import { drain, Load, sendBy } from './load.ts';

const DELETE_TOPIC_IN_BROKER = 215;
const DELETE_TOPIC_IN_NAMESRV = 216;
const queueCount = 4;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe.skipIf(skipRocketMQ())('receivers and transactions of a real broker', () => {
  let cluster: RocketMQCluster;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startRocketMQ();
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  /** A client whose only way to the broker can be cut: to the broker that is the end of its process. */
  const startMortal = async (
    topic: string,
    changes: Partial<ClientOptions> = {},
    checker?: TransactionChecker,
  ): Promise<{ client: ClusterClient; chaos: ChaosProxy }> => {
    const chaos = await ChaosProxy.start(cluster.brokerAddress);
    const nameServer = await ScriptedPeer.start();
    const queues = [{ brokerName: cluster.brokerName, address: chaos.address, queueCount }];
    nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ [topic]: queues }));
    const mortals = new RealClients(nameServer.address);
    onTestFinished(async () => {
      await mortals.close();
      await nameServer.stop();
      await chaos.close();
    });
    return { client: mortals.create(changes, checker), chaos };
  };

  it('R-15: a consumer dies with 1,000 messages that it has not acknowledged', async () => {
    const row = new Row('R-15');
    const topic = 'left-behind';
    const subscriber = { group: 'g-left-behind', topic };
    const invisibleDurationMs = 15_000;
    await cluster.createTopic(topic, { queueCount });
    const { client: dying, chaos } = await startMortal(topic);
    const reader = await Reader.open(dying, subscriber, { ack: false, invisibleDurationMs, messagesMax: 1_000 });
    const sender = clients.create();
    const history = new History();
    for (const hundred of numbers(10)) {
      const ids = numbers(100).map((number) => `m${hundred * 100 + number}`);
      const startMs = performance.now();
      await Promise.all(ids.map((id) => sender.producer.send(outgoing(topic, id), soon())));
      for (const id of ids) history.add({ op: 'send', id, startMs, endMs: performance.now(), outcome: 'stored' });
    }
    await reader.count(1_000);
    chaos.refuse();
    const heir = await Reader.open(clients.create(), subscriber, { ack: false, invisibleDurationMs: 60_000 });
    await heir.count(1_000);
    // What comes once too often would come about now.
    await sleep(3_000);
    const visibleAtMs = new Map(
      reader.messages.map((message) => [message.messageId, popReceiptOf(message).popTimeMs + invisibleDurationMs]),
    );
    const lateMs = heir.messages.map(({ messageId }, index) => {
      return (heir.receivedAtMs[index] ?? 0) - (visibleAtMs.get(messageId) ?? 0);
    });
    for (const { body, messageId } of heir.messages) {
      const id = body.toString();
      history.add({ op: 'delivery', id, queue: messageId, queueOffset: 0, attempt: '1', atMs: performance.now() });
    }
    row.judged(history);
    const revivedMs = await revivedAtMs(
      await connectEngine(cluster.brokerAddress),
      popRetryTopicV1(subscriber.group, topic),
    );
    const revivedLateMs = [...revivedMs].map(([messageId, atMs]) => atMs - (visibleAtMs.get(messageId) ?? 0));
    // A cold broker on a busy machine takes longer by itself than the whole may take.
    const slowBrokerMs = Math.max(0, largest(revivedLateMs) - 2_300);
    row
      .exactly('messages delivered again', heir.messages.length, 1_000)
      .tell('of it until the broker had made it visible', largest(revivedLateMs), 'ms')
      .exactly('before their time', lateMs.filter((ms) => ms < -50).length, 0)
      .tell('longest after the invisible duration', largest(lateMs), 'ms')
      .atMost('the same, less what the broker took over its usual 2.3 s', largest(lateMs) - slowBrokerMs, 4_000, 'ms')
      .judge();
    await heir.stop();
  });

  it('R-17: producers die, and answers are lost, around the end of transactions', async () => {
    const row = new Row('R-17');
    const topic = 'transactions';
    const producerGroup = 'g-transactions';
    await createTopicOn(cluster, topic, { queueCount, messageType: 'TRANSACTION' });
    await cluster.createTopic(topic, { queueCount, messageType: 'TRANSACTION' });
    const { COMMIT, ROLLBACK, UNKNOWN } = TransactionOutcome;
    const history = new History();
    /** What each transaction is to become, as any member of the group knows. */
    const decided = new Map<string, typeof COMMIT | typeof ROLLBACK>();
    const checker: TransactionChecker = ({ body }) => decided.get(body.toString()) ?? UNKNOWN;
    const begin = async (client: ClusterClient, id: string): Promise<PendingTransaction> =>
      client.transactions.begin(outgoing(topic, id), undefined, soon());
    const decide = (id: string, outcome: typeof COMMIT | typeof ROLLBACK): void => {
      decided.set(id, outcome);
      const told = outcome === COMMIT ? 'stored' : 'notStored';
      history.add({ op: 'send', id, startMs: 0, endMs: 0, outcome: told });
    };
    const startMs = performance.now();
    const dying = await startMortal(topic, { producerGroup }, checker);
    for (const number of numbers(10)) {
      const id = `dead${number}`;
      await begin(dying.client, id);
      decide(id, number % 2 === 0 ? COMMIT : ROLLBACK);
    }
    dying.chaos.refuse();
    const deaf = await startMortal(topic, { producerGroup }, checker);
    const deafOnes = await Promise.all(numbers(10).map((number) => begin(deaf.client, `deaf${number}`)));
    deaf.chaos.weather = { answersHeld: true };
    for (const [number, pending] of deafOnes.entries()) {
      const outcome = number % 2 === 0 ? COMMIT : ROLLBACK;
      decide(`deaf${number}`, outcome);
      deaf.client.transactions.end(pending, outcome);
    }
    const alive = clients.create({ producerGroup }, checker);
    // Ends that meet the broker's first check, which comes 6 to 7 s after the half message.
    const racing = await Promise.all(numbers(20).map((number) => begin(alive, `race${number}`)));
    const bornMs = performance.now();
    for (const [number, pending] of racing.entries()) {
      const outcome = number % 4 === 3 ? ROLLBACK : COMMIT;
      await sleep(Math.max(0, bornMs + 5_000 + number * 200 - performance.now()));
      decide(`race${number}`, outcome);
      alive.transactions.end(pending, outcome);
    }
    deaf.chaos.weather = {};
    const committed = [...decided].filter(([, outcome]) => outcome === COMMIT).length;
    const broker = await connectEngine(cluster.brokerAddress);
    let resolvedMs = Infinity;
    while (performance.now() - startMs < 60_000) {
      const seen = new History();
      await drain(seen, broker, { topic, queueCount });
      if (seen.events.length >= committed) {
        resolvedMs = performance.now() - startMs;
        break;
      }
      await sleep(500);
    }
    // Another check or two, for what would be committed twice.
    await sleep(12_000);
    await drain(history, broker, { topic, queueCount });
    const counts = new Map<string, number>();
    for (const event of history.events)
      if (event.op === 'delivery') counts.set(event.id, (counts.get(event.id) ?? 0) + 1);
    row.judged(history);
    row
      .tell('transactions committed', committed)
      .exactly('committed twice', [...counts.values()].filter((count) => count > 1).length, 0)
      .atMost('all resolved after', resolvedMs / 1_000, 60, 's')
      .judge();
  });

  it('R-20: renewals, late acks, double acks, acks after the end', async () => {
    const row = new Row('R-20');
    const topic = 'races';
    await cluster.createTopic(topic, { queueCount });
    const client = clients.create();
    const history = new History();
    const options = { ack: false, invisibleDurationMs: 4_000 };
    const renewed = await Reader.open(client, { group: 'g-renewed', topic }, { ...options, renewalDurationMs: 30_000 });
    const expiring = await Reader.open(client, { group: 'g-expiring', topic }, options);
    const sendTo = async (id: string): Promise<void> => {
      await client.producer.send(outgoing(topic, id), soon());
      history.add({ op: 'send', id, startMs: 0, endMs: 0, outcome: 'stored' });
    };
    await Promise.all(numbers(40).map((number) => sendTo(`m${number}`)));
    await Promise.all([renewed.count(40), expiring.count(40)]);
    const held = expiring.messages.slice(0, 10);
    for (const message of expiring.messages.slice(10, 40)) await expiring.consumer.ack(message.receipt, soon());
    // Acks at any time between renewals, of which every other one is made twice.
    const ack = async (index: number): Promise<void> => {
      await sleep(200 * index);
      const message = renewed.messages[index];
      if (message === undefined) throw new Error('it was received');
      const both = [renewed.consumer.ack(message.receipt, soon())];
      if (index % 2 === 0) both.push(renewed.consumer.ack(message.receipt, soon()));
      const results = await Promise.allSettled(both);
      const inTime = results.every(({ status }) => status === 'fulfilled');
      const queue = `renewed/${message.messageId}`;
      history.add({ op: 'ack', id: message.body.toString(), queue, queueOffset: 0, endMs: performance.now(), inTime });
      if (!inTime) row.exactly(`ack ${index} refused`, 1, 0);
    };
    const acked = Promise.all(numbers(40).map(ack));
    await sleep(4_500);
    const refusals = await Promise.allSettled(held.map(({ receipt }) => expiring.consumer.ack(receipt, soon())));
    const expired = refusals.filter(
      (result) =>
        result.status === 'rejected' && result.reason instanceof ClientError && result.reason.kind === 'expired',
    ).length;
    await acked;
    // Until a second live checkpoint of an acknowledged message would have delivered it again.
    await sleep(9_000);
    for (const [index, { body, messageId }] of renewed.messages.entries()) {
      const atMs = performance.now() - (Date.now() - (renewed.receivedAtMs[index] ?? 0));
      const id = body.toString();
      history.add({ op: 'delivery', id, queue: `renewed/${messageId}`, queueOffset: 0, attempt: '1', atMs });
    }
    row.judged(history);
    const comeAgain = new Set(expiring.messages.slice(40).map(({ messageId }) => messageId));
    row
      .exactly('acks after the end that were told so, of 10', expired, 10)
      .exactly('of these messages delivered again', held.filter(({ messageId }) => comeAgain.has(messageId)).length, 10)
      .exactly(
        'others delivered again',
        [...comeAgain].filter((id) => !held.some(({ messageId }) => messageId === id)).length,
        0,
      )
      .judge();
    await Promise.all([renewed.stop(), expiring.stop()]);
  });

  it('R-14: a topic changes its queues, and is deleted and made again', async () => {
    const row = new Row('R-14');
    const topic = 'changing';
    await cluster.createTopic(topic, { queueCount: 8 });
    const client = clients.create();
    const history = new History();
    const reader = await Reader.open(client, { group: 'g-changing', topic }, { pollDurationMs: 5_000 });
    const has = (load: Load) => (): boolean => {
      const received = new Set(reader.bodies);
      return load.sends.every(({ id, outcome }) => outcome !== 'stored' || received.has(id));
    };
    const settle = async (load: Load): Promise<number> => {
      await load.stop();
      const stoppedMs = performance.now();
      await Promise.race([reader.until(has(load)), sleep(40_000)]);
      return performance.now() - stoppedMs;
    };
    const changed = new Load(history, sendBy(client, topic, 5_000)).start(50, 'changed');
    await sleep(2_000);
    await createTopicOn(cluster, topic, { queueCount: 2 });
    await sleep(4_000);
    await createTopicOn(cluster, topic, { queueCount: 12 });
    await sleep(4_000);
    const settledMs = await settle(changed);
    row
      .exactly('sends failed around changes of the queue count', changed.failures.length, 0)
      .atMost('last message received after its send, at most', settledMs, 35_000, 'ms');
    const before = reader.messages.length;
    await cluster.brokerCall(DELETE_TOPIC_IN_BROKER, { topic });
    await cluster.nameServerCall(DELETE_TOPIC_IN_NAMESRV, { topic });
    await sleep(1_000);
    await cluster.createTopic(topic, { queueCount });
    const remade = new Load(history, sendBy(client, topic, 5_000)).start(50, 'remade');
    await sleep(4_000);
    const remadeMs = await settle(remade);
    for (const { body, messageId } of reader.messages) {
      const id = body.toString();
      history.add({ op: 'delivery', id, queue: messageId, queueOffset: 0, attempt: '1', atMs: performance.now() });
    }
    row.judged(history);
    row
      .tell('sends failed around the deletion', remade.failures.length)
      .atMost('last message received after the topic was made again, at most', remadeMs, 35_000, 'ms')
      .atLeast('messages received of the new topic', reader.messages.length - before, 100)
      .judge();
    await reader.stop();
  });
});

/** When the broker stored the copies of messages that were to be delivered again, by message id. */
async function revivedAtMs(broker: EngineClient, retryTopic: string): Promise<Map<string, number>> {
  const revived = new Map<string, number>();
  for (let offset = 0; ; ) {
    const { messages, nextBeginOffset } = await broker.pull(retryTopic, { group: 'judge', offset });
    if (messages.length === 0) return revived;
    for (const { properties, storeTimestampMs } of messages) {
      revived.set(properties.get(MessageProperty.UNIQ_KEY) ?? '', storeTimestampMs);
    }
    offset = nextBeginOffset;
  }
}
