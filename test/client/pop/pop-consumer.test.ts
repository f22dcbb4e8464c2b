import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import type { ConsumerOptions } from '../../../src/client/consumer.ts';
import type { PopConsumer } from '../../../src/client/pop/pop-consumer.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import {
  bodies,
  consumerDefaults,
  popAnswer,
  read,
  releasedOffsets,
  routesScript,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';
import { deferred, peerVersions, type ScriptedPeer } from '../../support/scripted-peer.ts';

const {
  ACK_MESSAGE,
  CHANGE_MESSAGE_INVISIBLE_TIME,
  GET_MAX_OFFSET,
  GET_ROUTEINFO_BY_TOPIC,
  GET_SUBSCRIPTION_GROUP_CONFIG,
  HEART_BEAT,
  NOTIFICATION,
  POP_MESSAGE,
  QUERY_CONSUMER_OFFSET,
  UNREGISTER_CLIENT,
  UPDATE_CONSUMER_OFFSET,
} = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);

describe('PopConsumer', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;
  let pop: ScriptedPop;
  let client: ClusterClient;
  let ending: AbortController;

  async function start(brokerCount = 1, version = peerVersions.v5): Promise<void> {
    cluster = await startScriptedCluster(brokerCount, version);
    broker = cluster.broker;
    pop = new ScriptedPop(broker);
    client = cluster.client();
    ending = new AbortController();
  }

  beforeEach(() => start());

  afterEach(async () => {
    ending.abort();
    await cluster.stop();
  });

  const consumerOf = (changes: Partial<ConsumerOptions> = {}) =>
    client.popConsumer({ ...consumerDefaults, ...changes });

  const streamOf = (consumer: PopConsumer, messagesMax = 100) =>
    consumer.stream({ messagesMax, signal: ending.signal });

  /** The answer to a send that came after all else: by then all else was seen. */
  const settled = () =>
    client.producer.send({ topic: 'topic', body: Buffer.from('x'), delivery: { kind: 'now' } }, soon());

  const heartbeatGroups = (peer: ScriptedPeer): string[][] =>
    peer
      .requests(HEART_BEAT)
      .map(({ body }) =>
        JSON.parse(body.toString()).consumerDataSet.map(({ groupName }: { groupName: string }) => groupName),
      );

  describe('open', () => {
    test('makes the group known and fixes where it starts, at each broker with its own queues', async () => {
      await cluster.stop();
      await start(2);
      cluster.nameServer.on(
        GET_ROUTEINFO_BY_TOPIC,
        routesScript({ topic: cluster.queues.map((each, index) => ({ ...each, queueCount: index + 1 })) }),
      );
      for (const peer of cluster.brokers) {
        peer.on(QUERY_CONSUMER_OFFSET, () => ({ code: ResponseCode.QUERY_NOT_FOUND }));
        peer.on(GET_MAX_OFFSET, () => ({ extFields: { offset: '7' } }));
      }
      expect(await consumerOf().open(soon())).toBe(true);
      const fixed = cluster.brokers.map((peer) =>
        peer.requests(UPDATE_CONSUMER_OFFSET).map(({ extFields }) => extFields['queueId']),
      );
      expect(fixed).toEqual([['0'], ['0', '1']]);
      for (const peer of cluster.brokers) {
        expect(peer.requests(GET_SUBSCRIPTION_GROUP_CONFIG).map(({ extFields }) => extFields['group'])).toEqual(['g']);
      }
    });

    test('of a topic that does not exist yet is fine where brokers make topics', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ TBW102: cluster.queues }));
      expect(await consumerOf().open(soon())).toBe(false);
      expect(broker.requests(QUERY_CONSUMER_OFFSET)).toEqual([]);
      expect(broker.requests(GET_SUBSCRIPTION_GROUP_CONFIG).length).toBe(1);
    });

    test('of a topic that never will exist fails', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({}));
      await expect(consumerOf().open(soon())).rejects.toMatchObject({
        name: 'ClientError',
        kind: 'noRoute',
        message: expect.stringContaining('topic'),
      });
    });

    test('goes on while one of two brokers is away, and fails while both are', async () => {
      await cluster.stop();
      await start(2);
      await cluster.brokers[1]?.stop();
      expect(await consumerOf().open(soon())).toBe(true);
      await broker.stop();
      client = cluster.client();
      await expect(consumerOf().open(soon())).rejects.toMatchObject({ kind: 'noBroker', cause: { kind: 'connect' } });
    });

    test('of a topic that no broker serves fails', async () => {
      const queues = cluster.queues.map((each) => ({ ...each, permission: 2 }));
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: queues }));
      await expect(consumerOf().open(soon())).rejects.toMatchObject({ kind: 'noBroker' });
    });

    test('at brokers without POP fails, and says what it needs', async () => {
      await cluster.stop();
      await start(1, peerVersions.v4);
      await expect(consumerOf().open(soon())).rejects.toMatchObject({
        kind: 'unsupported',
        message: expect.stringContaining('by pull'),
      });
    });

    test('of a group that does not exist fails where brokers make none', async () => {
      broker.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => ({ code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST }));
      await expect(consumerOf().open(soon())).rejects.toMatchObject({
        name: 'ResponseError',
        code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST,
      });
    });

    test('has its deadline', async () => {
      broker.on(GET_SUBSCRIPTION_GROUP_CONFIG, () => undefined);
      await expect(consumerOf().open(Deadline.after(100))).rejects.toMatchObject({ kind: 'timeout' });
    });

    test('of a consumer that is closed meanwhile makes no member', async () => {
      const held = deferred<void>();
      broker.on(GET_SUBSCRIPTION_GROUP_CONFIG, async () => {
        await held.promise;
        return { body: Buffer.from('{"retryMaxTimes":16}') };
      });
      const consumer = consumerOf();
      const opened = consumer.open(soon());
      await broker.request(GET_SUBSCRIPTION_GROUP_CONFIG);
      await consumer.close();
      held.resolve();
      await expect(opened).rejects.toMatchObject({ kind: 'closed' });
      broker.dropConnections();
      await settled();
      expect(heartbeatGroups(broker).at(-1)).toEqual([]);
    });
  });

  test('is a member of its group until it is closed; the last one to leave says so', async () => {
    const [one, other] = [consumerOf(), consumerOf()];
    await Promise.all([one.open(soon()), other.open(soon())]);
    broker.dropConnections();
    await settled();
    expect(heartbeatGroups(broker).at(-1)).toEqual(['g']);
    await one.close();
    await settled();
    expect(broker.requests(UNREGISTER_CLIENT)).toEqual([]);
    await other.close();
    expect((await broker.request(UNREGISTER_CLIENT)).extFields).toMatchObject({ consumerGroup: 'g' });
    expect(client.consumerCount).toBe(0);
  });

  test('several streams share what comes', async () => {
    const consumer = consumerOf();
    const [one, other] = [streamOf(consumer), streamOf(consumer)];
    pop.arriveOffsets(1);
    expect(bodies(await read(one, 1))).toEqual(['1']);
    pop.arriveOffsets(2);
    const [message] = await read(other, 1);
    expect(consumer.streamCount).toBe(2);
    expect(consumer.inFlightCount).toBe(2);
    await consumer.ack(message?.receipt ?? raise(), soon());
    expect(consumer.inFlightCount).toBe(1);
  });

  describe('the end of a stream', () => {
    async function inFlight(consumer: PopConsumer, ...offsets: number[]): Promise<ReceivedMessage<PopReceipt>[]> {
      pop.arriveOffsets(...offsets);
      const stream = streamOf(consumer);
      return read(stream, offsets.length - 1);
    }

    test('gives back what is not acknowledged and what was not read, each once, and nothing else', async () => {
      const consumer = consumerOf();
      // Read are 1 to 4; 2 is acknowledged; 5 is in hand.
      const messages = await inFlight(consumer, 1, 2, 3, 4, 5);
      await consumer.ack(messages[1]?.receipt ?? raise(), soon());
      await consumer.close();
      expect(releasedOffsets(broker)).toEqual([1, 3, 4, 5]);
      expect(broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME)[0]?.extFields).toMatchObject({
        consumerGroup: 'g',
        topic: 'topic',
        queueId: '0',
        invisibleTime: '0',
        extraInfo: expect.stringMatching(/^1 \d+ 30000 0 0 broker-a 0 \d$/),
      });
      await consumer.close();
      ending.abort();
      await settled();
      expect(releasedOffsets(broker)).toEqual([1, 3, 4, 5]);
    });

    test('does not wait for a reader that is gone without a word', async () => {
      await inFlight(consumerOf(), 1, 2);
      // Nobody asks for the next message, or leaves the loop.
      ending.abort();
      await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, 1);
      expect(releasedOffsets(broker)).toEqual([1, 2]);
    });

    test('waits for a POP under way, whose messages nobody would get', async () => {
      const consumer = consumerOf();
      const held = deferred<void>();
      broker.on(POP_MESSAGE, async (request) => {
        await held.promise;
        return popAnswer(request, { messages: [{ queueOffset: 1n }, { queueOffset: 2n }] });
      });
      const next = streamOf(consumer).next();
      await broker.request(POP_MESSAGE);
      ending.abort();
      held.resolve();
      expect((await next).done).toBe(true);
      expect(releasedOffsets(broker)).toEqual([1, 2]);
      expect(broker.requests(POP_MESSAGE).length).toBe(1);
    });

    test('gives back many, not all at once', async () => {
      const consumer = consumerOf();
      const offsets = Array.from({ length: 200 }, (_, index) => index);
      let atOnce = 0;
      let most = 0;
      broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, async () => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise((resolve) => setImmediate(resolve));
        atOnce -= 1;
        return { extFields: { popTime: '1', invisibleTime: '0', reviveQid: '0' } };
      });
      for (let start = 0; start < 200; start += 25) pop.arriveOffsets(...offsets.slice(start, start + 25));
      await read(streamOf(consumer, 200), 200);
      await consumer.close();
      expect(releasedOffsets(broker)).toEqual(offsets);
      expect(most).toBeLessThanOrEqual(64);
    });

    test('leaves alone what its broker has made visible again', async () => {
      const consumer = consumerOf({ invisibleDurationMs: 150 });
      await inFlight(consumer, 1, 2);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await consumer.close();
      expect(broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME)).toEqual([]);
    });

    test('survives brokers that do not take anything back', async () => {
      broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, () => ({ code: ResponseCode.SYSTEM_ERROR }));
      const consumer = consumerOf();
      await inFlight(consumer, 1, 2);
      await consumer.close();
      expect(broker.requests(CHANGE_MESSAGE_INVISIBLE_TIME).length).toBe(2);
      expect(new Set(cluster.log.troubles)).toEqual(
        new Set(['a message could not be given back; it is visible when its time is over']),
      );
    });

    test('an ack that comes later is refused: the message is delivered again', async () => {
      const consumer = consumerOf();
      const [message] = await inFlight(consumer, 1, 2);
      ending.abort();
      await expect(consumer.ack(message?.receipt ?? raise(), soon())).rejects.toMatchObject({
        name: 'ClientError',
        kind: 'expired',
        message: expect.stringContaining('given back'),
      });
      // Neither does another consumer object of the same client.
      await expect(consumerOf().ack(message?.receipt ?? raise(), soon())).rejects.toMatchObject({ kind: 'expired' });
      expect(broker.requests(ACK_MESSAGE)).toEqual([]);
    });

    test('an ack under way decides first', async () => {
      const held = deferred<void>();
      broker.on(ACK_MESSAGE, async () => {
        await held.promise;
        return {};
      });
      const consumer = consumerOf();
      const [message] = await inFlight(consumer, 1, 2);
      const acked = consumer.ack(message?.receipt ?? raise(), soon());
      await broker.request(ACK_MESSAGE);
      ending.abort();
      await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME).then(() => held.resolve());
      await acked;
      await consumer.close();
      expect(releasedOffsets(broker)).toEqual([2]);
      // And a second one is a success, too.
      await consumer.ack(message?.receipt ?? raise(), soon());
    });

    test('an ack under way that fails leaves the message to be given back', async () => {
      const held = deferred<void>();
      broker.on(ACK_MESSAGE, async () => {
        await held.promise;
        return { code: ResponseCode.SYSTEM_ERROR };
      });
      const consumer = consumerOf();
      const [message] = await inFlight(consumer, 1, 2);
      const refused = expect(consumer.ack(message?.receipt ?? raise(), soon())).rejects.toMatchObject({ code: 1 });
      await broker.request(ACK_MESSAGE);
      ending.abort();
      await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME).then(() => held.resolve());
      await refused;
      await consumer.close();
      expect(releasedOffsets(broker)).toEqual([1, 2]);
    });
  });

  test('a closed consumer gives no stream', async () => {
    const consumer = consumerOf();
    await consumer.close();
    await expect(streamOf(consumer).next()).rejects.toMatchObject({ name: 'ClientError', kind: 'closed' });
    await expect(consumer.open(soon())).rejects.toMatchObject({ kind: 'closed' });
  });

  test('a stream that nobody reads costs nothing', async () => {
    const consumer = consumerOf();
    void streamOf(consumer);
    expect(consumer.streamCount).toBe(0);
    await consumer.close();
    expect(broker.requests(POP_MESSAGE)).toEqual([]);
  });

  test('polls end with the consumer', async () => {
    const consumer = consumerOf();
    const next = streamOf(consumer).next();
    await broker.request(NOTIFICATION);
    await consumer.close();
    expect((await next).done).toBe(true);
    await vi.waitFor(() => expect(consumer.streamCount).toBe(0), 20_000);
  });
});

function raise(): never {
  throw new Error('it must be there');
}
