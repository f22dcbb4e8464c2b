import { setMaxListeners } from 'node:events';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ReceiveMessagesRequestSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { CANCEL, END_STREAM, FrameType, frame, requestHeaders } from '../support/raw-http2.ts';
import { popAnswer, releasedOffsets, type ScriptedCluster, type ScriptedPop } from '../support/scripted-cluster.ts';
import { rawHttp2Client, tcpClient } from '../support/started-listener.ts';
import {
  clientOf,
  type ProxyClient,
  type StartedProxy,
  startTestCluster,
  startTestProxy,
  type Way,
  ways,
} from '../support/started-proxy.ts';

const { CHANGE_MESSAGE_INVISIBLE_TIME, NOTIFICATION, POP_MESSAGE } = RequestCode;

describe('streams', { timeout: 120_000 }, () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let started: StartedProxy;
  let client: ProxyClient;
  let endpoint: string;

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    started = await startTestProxy();
    client = clientOf(started.port);
    endpoint = cluster.nameServer.address;
  });

  const metrics = () => started.proxy.metrics.snapshot();

  /** Waits until the proxy works on no call any more. */
  const becomesIdle = () =>
    vi.waitFor(() => expect(metrics().goroutine_count).toBe(0), { timeout: 10_000, interval: 5 });

  const createConsumer = async (groupId = 'g'): Promise<string> =>
    (await client.createConsumer({ endpoint, topic: 'topic', groupId })).consumerId;

  /** How a stream ends: the name of a code. */
  async function endOf(stream: AsyncIterator<unknown>): Promise<string> {
    try {
      while ((await stream.next()).done !== true);
      return 'OK';
    } catch (error) {
      return Code[ConnectError.from(error).code] ?? '';
    }
  }

  /** A client that starts a stream and then reads nothing: its window lets 64 KiB through. */
  async function frozenReader(consumerId: string) {
    const raw = await rawHttp2Client(started.port);
    const request = toBinary(ReceiveMessagesRequestSchema, create(ReceiveMessagesRequestSchema, { consumerId }));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(request.length, 1);
    const path = '/rocketmq.RocketMQProxy/ReceiveMessages';
    const headers = requestHeaders(1, false, { ':path': path, 'content-type': 'application/grpc' });
    const data = frame(FrameType.DATA, END_STREAM, 1, Buffer.concat([prefix, request]));
    raw.socket.write(Buffer.concat([headers, data]));
    return raw;
  }

  const large = Buffer.alloc(1_000_000, 'x');
  const arriveLarge = (batchCount: number): void => {
    for (let batch = 0; batch < batchCount; batch += 1) {
      pop.arrive(Array.from({ length: 8 }, (_, index) => ({ queueOffset: BigInt(batch * 8 + index), body: large })));
    }
  };

  describe('that are cancelled', () => {
    it.each(Object.keys(ways) as Way[])('give their messages back and poll no more: %s', async (way) => {
      const consumerId = await createConsumer();
      const gone = new AbortController();
      const stream = clientOf(started.port, way)
        .receiveMessages({ consumerId }, { signal: gone.signal })
        [Symbol.asyncIterator]();
      pop.arriveOffsets(1, 2);
      await stream.next();
      await stream.next();
      const waiting = endOf(stream);
      await cluster.broker.request(NOTIFICATION);
      gone.abort();
      expect(await waiting).toBe('Canceled');
      await cluster.broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, 1);
      await becomesIdle();
      expect(releasedOffsets(cluster.broker)).toEqual([1, 2]);
      const popCount = cluster.broker.requests(POP_MESSAGE).length;
      pop.arriveOffsets(3);
      await client.createProducer({ endpoint, topic: 'topic' });
      expect(cluster.broker.requests(POP_MESSAGE)).toHaveLength(popCount);
      expect(started.log.troubles).toEqual([]);
    });

    it.each<Way>(['gRPC', 'Connect, HTTP/1.1', 'Connect, HTTP/2'])(
      'in the middle of a flood are no trouble, whenever that is: %s',
      async (way) => {
        let queueOffset = 0n;
        const body = Buffer.alloc(20_000, 'x');
        const next = () => ({ queueOffset: queueOffset++, body });
        cluster.broker.on(POP_MESSAGE, (request) => popAnswer(request, { messages: Array.from({ length: 8 }, next) }));
        const consumerId = await createConsumer();
        for (let round = 0; round < 20; round += 1) {
          const gone = new AbortController();
          const stream = clientOf(started.port, way)
            .receiveMessages({ consumerId }, { signal: gone.signal })
            [Symbol.asyncIterator]();
          for (let count = 0; count <= round % 20; count += 1) await stream.next();
          gone.abort();
        }
        await becomesIdle();
        expect(started.log.troubles).toEqual([]);
        expect(metrics().error_count).toBe(0);
      },
    );

    it('before their first message leave nothing behind', async () => {
      const consumerId = await createConsumer();
      const gone = new AbortController();
      setMaxListeners(0, gone.signal);
      const ends = Array.from({ length: 20 }, () =>
        endOf(client.receiveMessages({ consumerId }, { signal: gone.signal })[Symbol.asyncIterator]()),
      );
      await cluster.broker.request(NOTIFICATION, 19);
      gone.abort();
      expect(new Set(await Promise.all(ends))).toEqual(new Set(['Canceled']));
      await becomesIdle();
    });

    it('make room for a new one of the group, which gets their messages', async () => {
      const gone = new AbortController();
      const stream = client
        .receiveMessages({ consumerId: await createConsumer() }, { signal: gone.signal })
        [Symbol.asyncIterator]();
      pop.arriveOffsets(1);
      await stream.next();
      cluster.broker.on(CHANGE_MESSAGE_INVISIBLE_TIME, ({ extFields }) => {
        pop.arriveOffsets(Number(extFields['offset']));
        return { extFields: { popTime: '1', invisibleTime: '0', reviveQid: '0' } };
      });
      gone.abort();
      const next = client.receiveMessages({ consumerId: await createConsumer() })[Symbol.asyncIterator]();
      expect((await next.next()).value.messageBody).toBe('1');
    });
  });

  describe('whose reader does not read', () => {
    it('stop polling, say so, and hold one batch', async () => {
      arriveLarge(20);
      await frozenReader(await createConsumer());
      await vi.waitFor(() => expect(metrics().channel_full_events).toBe(1), { timeout: 10_000, interval: 20 });
      expect(pop.takenCount).toBe(8);
      expect(metrics().messages_received).toBe(1);
    });

    it('end when it closes its HTTP/1.1 connection', async () => {
      arriveLarge(2);
      const consumerId = await createConsumer();
      const message = JSON.stringify({ consumerId });
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      const socket = tcpClient(started.port);
      socket.write(
        'POST /rocketmq.RocketMQProxy/ReceiveMessages HTTP/1.1\r\nhost: localhost\r\n' +
          `content-type: application/connect+json\r\ncontent-length: ${message.length + 5}\r\n\r\n${prefix.toString('latin1')}${message}`,
        'latin1',
      );
      await vi.waitFor(() => expect(metrics().messages_received).toBeGreaterThan(0), { interval: 5, timeout: 20_000 });
      socket.destroy();
      await cluster.broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, 7);
      await becomesIdle();
      expect(started.log.troubles).toEqual([]);
    });

    it.each([
      ['resets its stream', true],
      ['closes its connection', false],
    ])('end when it %s', async (_, resets) => {
      arriveLarge(2);
      const raw = await frozenReader(await createConsumer());
      await raw.next(({ type }) => type === FrameType.DATA);
      if (resets) raw.socket.write(frame(FrameType.RST_STREAM, 0, 1, CANCEL));
      else raw.socket.destroy();
      await cluster.broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, 7);
      await becomesIdle();
      expect(releasedOffsets(cluster.broker)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      expect(started.log.troubles).toEqual([]);
    });

    it('hold up no other stream', async () => {
      arriveLarge(1);
      const frozen = await createConsumer('frozen');
      const consumerId = await createConsumer();
      const raw = await frozenReader(frozen);
      await raw.next(({ type }) => type === FrameType.DATA);
      pop.arriveOffsets(50);
      const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
      expect((await stream.next()).value.messageBody).toBe('50');
    });
  });

  it('end cleanly when their consumer is cleaned up, each of them and no other', async () => {
    const [mine, theirs] = [await createConsumer(), await createConsumer('h')];
    const streams = [mine, mine, theirs].map((consumerId) =>
      client.receiveMessages({ consumerId })[Symbol.asyncIterator](),
    );
    const ends = streams.map(endOf);
    await cluster.broker.request(NOTIFICATION, 2);
    expect((await client.cleanupConsumer({ consumerId: mine })).cleanedCount).toBe(1);
    expect(await Promise.all(ends.slice(0, 2))).toEqual(['OK', 'OK']);
    expect(metrics().goroutine_count).toBe(1);
  });

  it('end as unavailable when the proxy shuts down: a thousand on one connection, and nobody is warned', async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error): number => warnings.push(warning);
    process.on('warning', warn);
    onTestFinished(() => void process.off('warning', warn));
    const consumerId = await createConsumer();
    const ends = Array.from({ length: 1_000 }, () =>
      endOf(client.receiveMessages({ consumerId })[Symbol.asyncIterator]()),
    );
    await cluster.broker.request(NOTIFICATION, 999);
    expect(metrics()).toMatchObject({ goroutine_count: 1_000, active_connections: 1 });
    await started.proxy.close(10_000);
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['Unavailable']));
    expect(metrics().goroutine_count).toBe(0);
    expect(warnings).toEqual([]);
  });

  it('stop at so many messages without an ack, and go on with the next ack', async () => {
    started = await startTestProxy({ messagesMax: 3 });
    client = clientOf(started.port);
    const consumerId = await createConsumer();
    pop.arriveOffsets(1, 2, 3);
    pop.arriveOffsets(4);
    const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    const handles: string[] = [];
    for (let count = 0; count < 3; count += 1) handles.push((await stream.next()).value.receiptHandle);
    const fourth = stream.next();
    await vi.waitFor(() => expect(metrics().channel_full_events).toBe(1), { interval: 5, timeout: 20_000 });
    expect(pop.takenCount).toBe(3);
    await client.ackMessage({ consumerId, receiptHandle: handles[1] ?? '' });
    expect((await fourth).value.messageBody).toBe('4');
  });

  it('go on while a broker is down and come back with it', async () => {
    const consumerId = await createConsumer();
    const stream = client.receiveMessages({ consumerId })[Symbol.asyncIterator]();
    const first = stream.next();
    await cluster.broker.request(NOTIFICATION);
    cluster.broker.dropConnections();
    pop.arriveOffsets(1);
    expect((await first).value.messageBody).toBe('1');
    expect(started.log.troubles).toContain('receiving from a broker failed; trying again');
  });
});
