import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import type { ConsumerOptions, StreamOptions } from '../../../src/client/consumer.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { UnreadBytes } from '../../../src/client/unread-bytes.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import {
  bodies,
  consumerDefaults,
  nothingFound,
  popAnswer,
  read,
  releasedOffsets,
  routesScript,
  type ScriptedCluster,
  ScriptedPop,
  startScriptedCluster,
} from '../../support/scripted-cluster.ts';
import type { Script, ScriptedPeer } from '../../support/scripted-peer.ts';

const { CHANGE_MESSAGE_INVISIBLE_TIME, GET_ROUTEINFO_BY_TOPIC, NOTIFICATION, POP_MESSAGE } = RequestCode;
/** A message as `UnreadStream.take` gets it. */
const storedAs = (bytes: number) => ({ stored: { body: Buffer.alloc(bytes) } });
const soon = (): Deadline => Deadline.after(10_000);

describe('PopStream', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;
  let pop: ScriptedPop;
  let client: ClusterClient;
  let ending: AbortController;

  async function start(brokerCount = 1): Promise<void> {
    cluster = await startScriptedCluster(brokerCount);
    broker = cluster.broker;
    pop = new ScriptedPop(broker);
    client = cluster.client();
    ending = new AbortController();
  }

  beforeEach(() => start());

  afterEach(async () => {
    vi.useRealTimers();
    ending.abort();
    await cluster.stop();
  });

  function streamOf(
    consumer: Partial<ConsumerOptions> = {},
    options: Partial<StreamOptions> = {},
    changes: Partial<ClientOptions> = {},
  ) {
    const made = (Object.keys(changes).length === 0 ? client : cluster.client(changes)).popConsumer({
      ...consumerDefaults,
      ...consumer,
    });
    return { consumer: made, stream: made.stream({ messagesMax: 100, signal: ending.signal, ...options }) };
  }

  const popCount = () => broker.requests(POP_MESSAGE).length;
  const askedCounts = () => broker.requests(POP_MESSAGE).map(({ extFields }) => Number(extFields['maxMsgNums']));

  /** The answer to a send that came after all else: by then all else was seen. */
  const settled = () =>
    client.producer.send({ topic: 'topic', body: Buffer.from('x'), delivery: { kind: 'now' } }, soon());

  test('asks for what its consumer wants, and hands it out in order', async () => {
    pop.arriveOffsets(5, 6, 7);
    const { stream } = streamOf();
    expect(bodies(await read(stream, 3))).toEqual(['5', '6', '7']);
    const before = Date.now();
    expect((await broker.request(POP_MESSAGE)).extFields).toEqual({
      consumerGroup: 'g',
      topic: 'topic',
      queueId: '-1',
      maxMsgNums: '32',
      invisibleTime: '30000',
      pollTime: '0',
      bornTime: expect.any(String),
      initMode: '1',
      expType: 'TAG',
      exp: '*',
      order: 'false',
    });
    // Not looking old to a broker whose clock is ahead.
    expect(Number(broker.requests(POP_MESSAGE)[0]?.extFields['bornTime'])).toBeGreaterThan(before + 60_000);
  });

  test('waits at the broker, by its clock, while there is nothing', async () => {
    const { stream } = streamOf({ pollDurationMs: 1_234 });
    const waiting = read(stream, 1);
    expect((await broker.request(NOTIFICATION)).extFields).toMatchObject({
      consumerGroup: 'g',
      topic: 'topic',
      queueId: '-1',
      pollTime: '1234',
    });
    const bornMs = Number(broker.requests(NOTIFICATION)[0]?.extFields['bornTime']);
    expect(Math.abs(bornMs - Date.now())).toBeLessThan(1_000);
    pop.arriveOffsets(1);
    expect(bodies(await waiting)).toEqual(['1']);
    expect(popCount()).toBe(2);
  });

  test('takes nothing more while its reader does not ask for more', async () => {
    pop.arriveOffsets(1, 2);
    pop.arriveOffsets(3);
    const { stream } = streamOf();
    expect(popCount()).toBe(0);
    expect(bodies(await read(stream, 2))).toEqual(['1', '2']);
    await settled();
    expect(popCount()).toBe(1);
    expect(bodies(await read(stream, 1))).toEqual(['3']);
    expect(popCount()).toBe(2);
  });

  test('asks behind a full batch for the next one, and no further, before its reader gets the first message', async () => {
    const offsets = Array.from({ length: 96 }, (_, index) => index);
    for (let start = 0; start < 96; start += 32) pop.arriveOffsets(...offsets.slice(start, start + 32));
    const { stream } = streamOf();
    await read(stream, 1);
    await settled();
    expect(popCount()).toBe(2);
    expect(bodies(await read(stream, 95))).toEqual(offsets.slice(1).map(String));
  });

  test('takes batches of the largest messages, which are more than any request may hold', async () => {
    const body = Buffer.alloc(4_194_304, 7);
    pop.arrive([0n, 1n, 2n, 3n, 4n, 5n].map((queueOffset) => ({ queueOffset, body })));
    const messages = await read(streamOf().stream, 6);
    expect(messages.every((message) => message.body.equals(body))).toBe(true);
    expect(cluster.log.troubles).toEqual([]);
  });

  describe('room', () => {
    test('bounds what is in flight; an ack makes room', async () => {
      let pausedCount = 0;
      const onPaused = (): void => {
        pausedCount += 1;
      };
      pop.arriveOffsets(1, 2);
      pop.arriveOffsets(3);
      const { consumer, stream } = streamOf({}, { messagesMax: 3, onPaused });
      const messages = await read(stream, 3);
      expect(consumer.inFlightCount).toBe(3);
      expect(pausedCount).toBe(0);
      pop.arriveOffsets(4);
      const next = read(stream, 1);
      await vi.waitFor(() => expect(pausedCount).toBe(1), 20_000);
      await settled();
      expect(askedCounts()).toEqual([3, 1]);
      for (const { receipt } of messages.slice(0, 2)) await consumer.ack(receipt, soon());
      expect(bodies(await next)).toEqual(['4']);
      expect(askedCounts().at(2)).toBeGreaterThanOrEqual(1);
      expect(pausedCount).toBe(1);
      expect(consumer.inFlightCount).toBe(2);
    });

    test('what its broker has made visible again leaves room', async () => {
      pop.arriveOffsets(1);
      const { consumer, stream } = streamOf({ invisibleDurationMs: 100 }, { messagesMax: 1 });
      await read(stream, 1);
      pop.arriveOffsets(2);
      expect(bodies(await read(stream, 1))).toEqual(['2']);
      expect(consumer.inFlightCount).toBe(1);
    });

    test.each([1, 3, 32, 40])('of %i is never overdrawn by two brokers that have plenty', async (messagesMax) => {
      await cluster.stop();
      await start(2);
      let takenCount = 0;
      let ackedCount = 0;
      let overdrawn = false;
      for (const [index, peer] of cluster.brokers.entries()) {
        let offset = 0;
        peer.on(POP_MESSAGE, (request) => {
          const count = Number(request.extFields['maxMsgNums']);
          takenCount += count;
          overdrawn ||= takenCount - ackedCount > messagesMax;
          const messages = Array.from({ length: count }, () => {
            offset += 1;
            return { queueOffset: BigInt(offset) };
          });
          return popAnswer(request, { brokerName: ['broker-a', 'broker-b'][index] ?? '', messages });
        });
      }
      const { consumer, stream } = streamOf({}, { messagesMax });
      const brokersSeen = new Set<string>();
      const inFlight: ReceivedMessage<PopReceipt>[] = [];
      for (let count = 0; count < 200; count += 1) {
        // Acknowledges the oldest once it is full, sometimes sooner.
        if (inFlight.length === messagesMax || count % 7 === 0) {
          const oldest = inFlight.shift();
          if (oldest !== undefined) {
            await consumer.ack(oldest.receipt, soon());
            ackedCount += 1;
          }
        }
        const [message] = await read(stream, 1);
        if (message === undefined) throw new Error('no message');
        inFlight.push(message);
        brokersSeen.add(message.receipt.brokerName);
      }
      expect(overdrawn).toBe(false);
      expect(brokersSeen.size).toBe(2);
    });

    test('a broker that has nothing does not keep room from one that has', async () => {
      await cluster.stop();
      await start(2);
      const [first, second] = cluster.brokers;
      if (first === undefined || second === undefined) throw new Error('there are two');
      for (const [withMessages, without] of [
        [first, second],
        [second, first],
      ] as const) {
        const brokerName = withMessages === first ? 'broker-a' : 'broker-b';
        new ScriptedPop(without, 'none');
        const full = new ScriptedPop(withMessages, brokerName);
        full.arriveOffsets(1);
        full.arriveOffsets(2);
        const { consumer, stream } = streamOf({}, { messagesMax: 1 });
        const [one] = await read(stream, 1);
        if (one === undefined) throw new Error('no message');
        await consumer.ack(one.receipt, soon());
        expect(bodies(await read(stream, 1))).toEqual(['2']);
        await consumer.close();
      }
    });
  });

  describe('a bound of unread bytes', () => {
    const megabyte = 1_048_576;

    function boundedStream(all: UnreadBytes) {
      const unread = all.open(ending.signal, () => {});
      return { unread, ...streamOf({}, { unread }) };
    }

    /** A message of `megabytes` that is a thousandth of it while it is compressed. */
    const packed = (queueOffset: bigint, megabytes: number) => ({
      queueOffset,
      sysFlag: SysFlag.COMPRESSED,
      body: deflateSync(Buffer.alloc(megabytes * megabyte, 'x')),
    });

    test('makes a stream ask for one message, then for as many as are known to be small', async () => {
      const all = new UnreadBytes(64 * megabyte);
      pop.arriveOffsets(1);
      pop.arriveOffsets(2, 3);
      const { stream, unread } = boundedStream(all);
      expect(bodies(await read(stream, 3))).toEqual(['1', '2', '3']);
      expect(askedCounts()).toEqual([1, 32]);
      expect(all.bytes).toBe(3);
      unread.read();
      expect(all.bytes).toBe(0);
    });

    test('lets one more be taken while a reader has one of the largest, and none beside those', async () => {
      const all = new UnreadBytes(64 * megabyte);
      const body = Buffer.alloc(4 * megabyte, 7);
      for (const queueOffset of [1n, 2n, 3n]) pop.arrive([{ queueOffset, body }]);
      const { stream, unread } = boundedStream(all);
      await read(stream, 1);
      await vi.waitUntil(() => all.bytes === 2 * body.length, 20_000);
      await settled();
      expect(askedCounts()).toEqual([1, 1]);
      unread.read();
      await read(stream, 1);
      unread.read();
      await read(stream, 1);
      expect(popCount()).toBeGreaterThanOrEqual(3);
    });

    test('has what is compressed unpacked for its reader only', async () => {
      const all = new UnreadBytes(64 * megabyte);
      const batch = [packed(1n, 4), packed(2n, 4), packed(3n, 4)];
      pop.arrive(batch);
      const { stream, unread } = boundedStream(all);
      const packedBytes = batch.slice(1).reduce((sum, { body }) => sum + body.length, 0);
      expect((await read(stream, 1))[0]?.body.length).toBe(4 * megabyte);
      expect(all.bytes).toBe(4 * megabyte + packedBytes);
      unread.read();
      await read(stream, 2);
      unread.read();
      expect(all.bytes).toBe(0);
    });

    test('holds a stream up until there is room, and it goes on by itself', async () => {
      const all = new UnreadBytes(4 * megabyte);
      const other = all.open(ending.signal, () => {});
      await other.take(1, async () => [storedAs(1)]);
      pop.arriveOffsets(1);
      const { stream } = boundedStream(all);
      const waiting = read(stream, 1);
      await vi.waitUntil(() => all.waitingCount === 1, 20_000);
      expect(popCount()).toBe(0);
      other.drop(1);
      expect(bodies(await waiting)).toEqual(['1']);
    });

    test('a stream that ends while it waits for room takes nothing, and gives back what it would have unpacked', async () => {
      const all = new UnreadBytes(8 * megabyte);
      pop.arrive([packed(1n, 1), packed(2n, 1)]);
      const { stream } = boundedStream(all);
      const other = all.open(new AbortController().signal, () => {});
      await other.take(1, async () => [storedAs(1)]);
      await read(stream, 1);
      await other.take(1, async () => [storedAs(8 * megabyte)]);
      const unpacking = stream.next();
      await vi.waitUntil(() => all.waitingCount === 1, 20_000);
      ending.abort();
      expect((await unpacking).done).toBe(true);
      await broker.request(CHANGE_MESSAGE_INVISIBLE_TIME, 1);
      expect(releasedOffsets(broker)).toEqual([1, 2]);
      expect(popCount()).toBe(1);
    });
  });

  test('a message that waited for its reader until its time was over is not handed out', async () => {
    pop.arriveOffsets(1, 2);
    pop.arriveOffsets(3);
    vi.useFakeTimers({ toFake: ['performance', 'Date'], now: Date.now() });
    const { consumer, stream } = streamOf();
    await read(stream, 1);
    vi.advanceTimersByTime(30_000);
    expect(bodies(await read(stream, 1))).toEqual(['3']);
    expect(consumer.inFlightCount).toBe(1);
  });

  describe('goes on', () => {
    /** Waits for a failure that is told, then lets the pause after it pass. */
    async function passAPause(): Promise<void> {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      await cluster.log.trouble();
      vi.advanceTimersByTime(1_000);
      vi.useRealTimers();
    }

    test.each([
      ['fails', () => ({ code: ResponseCode.SYSTEM_ERROR })],
      ['is busy', () => ({ code: ResponseCode.SYSTEM_BUSY })],
      ['does not know the topic', () => ({ code: ResponseCode.TOPIC_NOT_EXIST })],
      [
        'hangs up',
        (_, { socket }) => {
          socket.destroy();
          return undefined;
        },
      ],
      ['sends what makes no sense', () => ({ body: Buffer.from('what') })],
    ] as [string, Script][])('after a broker that %s, and looks for another route', async (_, script) => {
      const { stream } = streamOf();
      broker.on(POP_MESSAGE, (request, connection) => {
        pop = new ScriptedPop(broker);
        pop.arriveOffsets(1);
        return script(request, connection);
      });
      const waiting = read(stream, 1);
      await passAPause();
      expect(bodies(await waiting)).toEqual(['1']);
      expect(cluster.log.troubles).toEqual(['receiving from a broker failed; trying again']);
      expect(cluster.nameServer.requests(GET_ROUTEINFO_BY_TOPIC).length).toBe(2);
    });

    test('after the name server was away', async () => {
      await cluster.nameServer.stop();
      const { stream } = streamOf();
      const waiting = read(stream, 1);
      await cluster.log.trouble();
      await cluster.nameServer.listen();
      pop.arriveOffsets(1);
      expect(bodies(await waiting)).toEqual(['1']);
    });

    test('when its topic comes into being', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({}));
      const { stream } = streamOf();
      const waiting = read(stream, 1);
      await cluster.nameServer.request(GET_ROUTEINFO_BY_TOPIC);
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: cluster.queues }));
      pop.arriveOffsets(1);
      expect(bodies(await waiting)).toEqual(['1']);
    });

    test('at one broker while the other is away', async () => {
      await cluster.stop();
      await start(2);
      await cluster.brokers[1]?.stop();
      const { stream } = streamOf();
      for (const offset of [1, 2, 3]) {
        pop.arriveOffsets(offset);
        expect(bodies(await read(stream, 1))).toEqual([String(offset)]);
      }
      expect(new Set(cluster.log.troubles)).toEqual(new Set(['receiving from a broker failed; trying again']));
    });
  });

  describe('is not busy when there is nothing to do', () => {
    /** Requests of a code in a third of a second. */
    async function countIn300Ms(code: number): Promise<number> {
      await broker.request(code);
      const before = broker.requests(code).length;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return broker.requests(code).length - before;
    }

    test('a broker says that it has messages and gives none: another consumer has their queue', async () => {
      broker.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
      const { stream } = streamOf();
      const waiting = read(stream, 1);
      expect(await countIn300Ms(NOTIFICATION)).toBeLessThan(12);
      pop.arriveOffsets(1);
      expect(bodies(await waiting)).toEqual(['1']);
    });

    test.each([
      ['holds too many requests', { hasMsg: 'false', pollingFull: 'true' }],
      ['has another time', { hasMsg: 'false' }],
    ])('a broker that %s does not wait', async (_, extFields) => {
      broker.on(NOTIFICATION, () => ({ extFields }));
      const { stream } = streamOf();
      const waiting = read(stream, 1);
      expect(await countIn300Ms(NOTIFICATION)).toBeLessThan(3);
      pop.arriveOffsets(1);
      expect(bodies(await waiting)).toEqual(['1']);
    });

    test('messages that nobody wants are passed over without a pause', async () => {
      let left = 60;
      broker.on(POP_MESSAGE, (request) => {
        left -= 1;
        // `BB` has the hash of `Aa`.
        const tag = left > 0 ? 'BB' : 'Aa';
        return popAnswer(request, { messages: [{ queueOffset: BigInt(left), properties: new Map([['TAGS', tag]]) }] });
      });
      broker.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
      const filter = {
        type: 'TAG' as const,
        expression: 'Aa',
        needsTag: true,
        matches: (tag: string | undefined) => tag === 'Aa',
      };
      const startedMs = performance.now();
      await read(streamOf({ filter }).stream, 1);
      expect(performance.now() - startedMs).toBeLessThan(1_500);
    });
  });

  describe('ends', () => {
    test.each([
      ['the group may not read', { code: ResponseCode.NO_PERMISSION }, { kind: 'denied' }],
      [
        'the secret key is wrong',
        { code: ResponseCode.NO_PERMISSION, remark: 'check signature failed.' },
        { kind: 'unauthenticated' },
      ],
      [
        'the group does not exist',
        { code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST },
        { name: 'ResponseError', code: ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST },
      ],
    ])('with an error when %s', async (_, answer, failure) => {
      broker.on(POP_MESSAGE, () => answer);
      const { consumer, stream } = streamOf();
      await expect(stream.next()).rejects.toMatchObject(failure);
      expect(await stream.next()).toEqual({ done: true, value: undefined });
      expect(consumer.streamCount).toBe(0);
      expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
    });

    test('with an error when a broker refuses later on, after what it had given', async () => {
      pop.arriveOffsets(1, 2);
      const { stream } = streamOf();
      await read(stream, 1);
      broker.on(POP_MESSAGE, () => ({ code: ResponseCode.NO_PERMISSION }));
      expect(bodies(await read(stream, 1))).toEqual(['2']);
      await expect(stream.next()).rejects.toMatchObject({ kind: 'denied' });
    });

    test('when its client was closed', async () => {
      const { stream } = streamOf();
      const waiting = stream.next();
      await broker.request(NOTIFICATION);
      await client.close();
      expect(await waiting).toEqual({ done: true, value: undefined });
      const late = client.popConsumer(consumerDefaults).stream({ messagesMax: 1, signal: ending.signal });
      await expect(late.next()).rejects.toMatchObject({ name: 'ClientError', kind: 'closed' });
    });

    const moments: [string, (peer: ScriptedPeer) => Promise<unknown>][] = [
      ['waits at the broker', (peer) => peer.request(NOTIFICATION)],
      [
        'waits after a failure',
        async (peer) => {
          peer.on(POP_MESSAGE, () => ({ code: ResponseCode.SYSTEM_ERROR }));
          await vi.waitFor(() => expect(cluster.log.troubles.length).toBeGreaterThan(0), 20_000);
        },
      ],
      [
        'waits for a broker that gave none of what it has',
        async (peer) => {
          peer.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
          await peer.request(POP_MESSAGE, 4);
        },
      ],
    ];
    test.each(moments)('at once when it is told to while it %s, and leaves no listener behind', async (_, moment) => {
      broker.on(POP_MESSAGE, () => nothingFound());
      const { consumer, stream } = streamOf();
      const next = stream.next();
      if (moment === moments[1]?.[1]) broker.on(POP_MESSAGE, () => ({ code: ResponseCode.SYSTEM_ERROR }));
      if (moment === moments[2]?.[1]) broker.on(NOTIFICATION, () => ({ extFields: { hasMsg: 'true' } }));
      await moment(broker);
      const startedMs = performance.now();
      ending.abort();
      expect(await next).toEqual({ done: true, value: undefined });
      expect(performance.now() - startedMs).toBeLessThan(500);
      expect(consumer.streamCount).toBe(0);
      expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
    });

    test('when its reader leaves', async () => {
      pop.arriveOffsets(1, 2);
      const { consumer, stream } = streamOf();
      for await (const message of stream) {
        expect(bodies([message])).toEqual(['1']);
        break;
      }
      expect(consumer.streamCount).toBe(0);
      expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
    });

    test('before it began', async () => {
      ending.abort();
      const { consumer, stream } = streamOf();
      expect(await stream.next()).toEqual({ done: true, value: undefined });
      expect(consumer.streamCount).toBe(0);
      expect(popCount()).toBe(0);
    });
  });

  test('keeps nothing of what it handed out while another broker is silent', async () => {
    await cluster.stop();
    await start(2);
    const [, silent] = cluster.brokers;
    if (silent === undefined) throw new Error('there are two');
    new ScriptedPop(silent, 'broker-b');
    const { consumer, stream } = streamOf();
    const handedOut: WeakRef<Buffer>[] = [];
    for (let offset = 0; offset < 50; offset += 1) {
      pop.arrive([{ queueOffset: BigInt(offset), body: Buffer.alloc(1_024) }]);
      const [message] = await read(stream, 1);
      if (message === undefined) throw new Error('no message');
      handedOut.push(new WeakRef(message.body));
      await consumer.ack(message.receipt, soon());
    }
    expect(silent.requests(NOTIFICATION).length).toBe(1);
    collectGarbage();
    await vi.waitFor(() => {
      collectGarbage();
      expect(handedOut.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(5);
    }, 20_000);
  });
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
