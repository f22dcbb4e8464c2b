import { getEventListeners } from 'node:events';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { lookIntervalMs, messageBytesMax, stalledLooks, UnreadBytes } from '../../../src/client/unread-bytes.ts';
import {
  AckMessageRequestSchema,
  type MessageSchema,
  ReceiveMessagesRequestSchema,
} from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { anyone } from '../../../src/proxy/access/caller.ts';
import {
  createReceiveHandlers,
  type ReceiveHandlers,
  type ReceiveOptions,
} from '../../../src/proxy/receive/receive.ts';
import type { Call } from '../../../src/proxy/rpc/call.ts';
import { ReplyReader } from '../../../src/proxy/rpc/reply-reader.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { type ProxyParts, patientCall, proxyParts, refusalOf } from '../../support/proxy-parts.ts';
import {
  MemoryLog,
  noRoute,
  releasedOffsets,
  routesScript,
  type ScriptedCluster,
  type ScriptedPop,
} from '../../support/scripted-cluster.ts';
import { deferred } from '../../support/scripted-peer.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { ACK_MESSAGE, BATCH_ACK_MESSAGE, GET_ROUTEINFO_BY_TOPIC, NOTIFICATION, POP_MESSAGE } = RequestCode;

type Delivered = MessageInitShape<typeof MessageSchema>;

describe('receiving', { timeout: 30_000 }, () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let parts: ProxyParts;
  let handlers: ReceiveHandlers;
  let consumerId: string;
  let draining: AbortController;
  let receivedCount: number;
  let pausedCount: number;
  let log: MemoryLog;

  function start(change: Partial<ReceiveOptions> = {}): void {
    handlers = createReceiveHandlers(parts.sessions, parts.receipts, {
      messagesMax: 100,
      writeTimeoutMs: 10_000,
      draining: draining.signal,
      log,
      onReceived: () => {
        receivedCount += 1;
      },
      onPaused: () => {
        pausedCount += 1;
      },
      ...change,
    });
  }

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    parts = proxyParts(cluster);
    draining = new AbortController();
    log = new MemoryLog();
    [receivedCount, pausedCount] = [0, 0];
    start();
    consumerId = createConsumer();
  });

  function createConsumer(change: { readonly group?: string; readonly topic?: string } = {}): string {
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '', owner: '' };
    const fields = { ...target, topic: 'topic', group: 'g', tagExpression: '*', ...change };
    return parts.sessions.register(parts.sessions.prepareConsumer(fields));
  }

  /** A stream, and who ends it; it ends with the test. */
  function receive(id = consumerId, call: Partial<Call> = {}, messagesMax = 0) {
    const caller = new AbortController();
    onTestFinished(() => caller.abort());
    const request = create(ReceiveMessagesRequestSchema, { consumerId: id, messagesMax });
    const stream = handlers
      .receiveMessages(request, { ...patientCall(caller.signal), ...call })
      [Symbol.asyncIterator]();
    return { stream, caller };
  }

  async function next(stream: AsyncIterator<Delivered>): Promise<Delivered> {
    const { value, done } = await stream.next();
    if (done === true) throw new Error('the stream has ended');
    return value;
  }

  const ack = async (receiptHandle: string | undefined, id = consumerId) =>
    handlers.ackMessage(
      create(AckMessageRequestSchema, { consumerId: id, receiptHandle: receiptHandle ?? '' }),
      patientCall(),
    );

  const ackCount = (): number =>
    cluster.broker.requests(ACK_MESSAGE).length + cluster.broker.requests(BATCH_ACK_MESSAGE).length;

  describe('a stream', () => {
    it('delivers what there is and what comes', async () => {
      const { stream } = receive();
      pop.arriveOffsets(1, 2);
      expect((await next(stream)).messageBody).toBe('1');
      expect((await next(stream)).messageBody).toBe('2');
      const third = next(stream);
      await cluster.broker.request(NOTIFICATION);
      pop.arriveOffsets(3);
      expect((await third).messageBody).toBe('3');
      expect(receivedCount).toBe(3);
    });

    it('has handles that are sealed and acknowledge their message', async () => {
      const { stream } = receive();
      pop.arriveOffsets(7);
      const { receiptHandle } = await next(stream);
      expect(receiptHandle).toMatch(/^[\w-]{100,}$/);
      expect(await ack(receiptHandle)).toEqual({ success: true, message: 'the message is acknowledged' });
      expect((await cluster.broker.request(ACK_MESSAGE)).extFields).toMatchObject({
        consumerGroup: 'g',
        topic: 'topic',
        offset: '7',
      });
    });

    it('shares the work with others of its consumer', async () => {
      const streams = [receive().stream, receive().stream];
      const both = Promise.all(streams.map(next));
      pop.arriveOffsets(1);
      pop.arriveOffsets(2);
      expect((await both).map(({ messageBody }) => messageBody).sort()).toEqual(['1', '2']);
    });

    it('may have as few in flight as it asks for', async () => {
      const { stream } = receive(consumerId, {}, 2);
      pop.arriveOffsets(1, 2);
      const [first] = [await next(stream), await next(stream)];
      const third = next(stream);
      pop.arriveOffsets(3);
      // On a machine that stands still it was slow before.
      await vi.waitUntil(() => pausedCount > 0, { timeout: 20_000 });
      await ack(first?.receiptHandle);
      expect((await third).messageBody).toBe('3');
      const taken = cluster.broker.requests(POP_MESSAGE).map(({ extFields }) => Number(extFields['maxMsgNums']));
      expect(Math.max(...taken)).toBeLessThanOrEqual(2);
    });

    it.each([-1, 101, 2 ** 31 - 1])('has no bound of %i', async (messagesMax) => {
      expect(await refusalOf(receive(consumerId, {}, messagesMax).stream.next())).toEqual([
        'INVALID_REQUEST',
        `messages_max is ${messagesMax}; it may be 1 to 100, 0 for 100`,
      ]);
    });

    it('ends at once when its caller goes while it waits, and polls no more', async () => {
      const { stream, caller } = receive();
      const waiting = stream.next();
      await cluster.broker.request(NOTIFICATION);
      caller.abort();
      expect(await waiting).toEqual({ done: true, value: undefined });
      const popCount = cluster.broker.requests(POP_MESSAGE).length;
      pop.arriveOffsets(1);
      await ack('').catch(() => {});
      expect(cluster.broker.requests(POP_MESSAGE)).toHaveLength(popCount);
    });

    it('gives back what was not acknowledged when its caller goes, also while nobody asks for the next message', async () => {
      const { stream, caller } = receive();
      pop.arriveOffsets(1, 2, 3);
      const { receiptHandle } = await next(stream);
      await ack(receiptHandle);
      await next(stream);
      caller.abort();
      await cluster.broker.request(RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME, 1);
      expect(releasedOffsets(cluster.broker)).toEqual([2, 3]);
      expect(await stream.next()).toEqual({ done: true, value: undefined });
    });

    it('does not start for a caller that has gone already', async () => {
      const caller = new AbortController();
      caller.abort();
      const [reason] = await refusalOf(receive(consumerId, { end: caller.signal }).stream.next());
      expect(reason).toBe('CANCELLED');
      expect(cluster.broker.requests(POP_MESSAGE)).toEqual([]);
    });

    it('ends when its consumer is cleaned up, whose id is then refused', async () => {
      const { stream } = receive();
      const waiting = stream.next();
      await cluster.broker.request(NOTIFICATION);
      expect(parts.sessions.cleanUpConsumer(consumerId, anyone)).toBe(1);
      expect(await waiting).toEqual({ done: true, value: undefined });
      expect((await refusalOf(receive().stream.next()))[0]).toBe('ID_NOT_FOUND');
      expect((await refusalOf(ack('x')))[0]).toBe('ID_NOT_FOUND');
    });

    it('ends as unavailable when the proxy shuts down, and none starts any more', async () => {
      const { stream } = receive();
      const waiting = refusalOf(stream.next());
      await cluster.broker.request(NOTIFICATION);
      draining.abort();
      const expected = ['SHUTTING_DOWN', 'the proxy is shutting down: receive from another instance'];
      expect(await waiting).toEqual(expected);
      expect(await refusalOf(receive().stream.next())).toEqual(expected);
    });

    it('leaves no listener behind, and a hundred of them are no reason for a warning', async () => {
      const warnings: Error[] = [];
      const warn = (warning: Error): number => warnings.push(warning);
      process.on('warning', warn);
      onTestFinished(() => void process.off('warning', warn));
      const streams = Array.from({ length: 100 }, () => receive());
      const waiting = streams.map(({ stream }) => stream.next());
      await cluster.broker.request(NOTIFICATION, 99);
      expect(getEventListeners(draining.signal, 'abort')).toHaveLength(100);
      for (const { caller } of streams) caller.abort();
      await Promise.all(waiting);
      expect(getEventListeners(draining.signal, 'abort')).toEqual([]);
      expect(warnings).toEqual([]);
    });

    it('stops at so many messages without an ack, says so, and goes on', async () => {
      start({ messagesMax: 2 });
      const { stream } = receive();
      pop.arriveOffsets(1, 2);
      const { receiptHandle } = await next(stream);
      await next(stream);
      const third = next(stream);
      // Later on it stops once more, sooner or later.
      await vi.waitFor(() => expect(pausedCount).toBeGreaterThan(0), 20_000);
      pop.arriveOffsets(3);
      await ack(receiptHandle);
      expect((await third).messageBody).toBe('3');
    });

    it('passes over a message that no reply can hold', async () => {
      const { stream } = receive();
      pop.arrive([{ body: Buffer.alloc(2_000_000, 0xff) }, { queueOffset: 1n, body: Buffer.from('small') }]);
      expect((await next(stream)).messageBody).toBe('small');
      expect(receivedCount).toBe(1);
      expect(log.lines).toEqual([
        {
          level: 'error',
          message: 'a message is too large to be delivered',
          fields: { messageId: 'ID', topic: 'topic', bytes: 2_000_000 },
        },
      ]);
    });

    describe('whose reader stands still', () => {
      /** More time than a reader may stand still that others wait for. */
      const pass = () => vi.advanceTimersByTime(stalledLooks * lookIntervalMs);
      let stalledCount: number;
      let cutCount: number;

      beforeEach(() => {
        vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
        onTestFinished(() => void vi.useRealTimers());
        [stalledCount, cutCount] = [0, 0];
      });

      /** Room for one message of any size. */
      function startBounded(): UnreadBytes {
        const unreadBytes = new UnreadBytes(messageBytesMax);
        start({
          unreadBytes,
          onStalled: () => {
            stalledCount += 1;
          },
        });
        return unreadBytes;
      }

      const reader = () =>
        new ReplyReader(() => {
          cutCount += 1;
        });

      it('ends while others wait for the memory: what it has goes back at once, and to them', async () => {
        const unreadBytes = startBounded();
        const { stream } = receive(consumerId, { reader: reader() });
        pop.arriveOffsets(1, 2);
        await next(stream);
        const others = receive();
        const waiting = next(others.stream);
        await vi.waitUntil(() => unreadBytes.waitingCount === 1, 20_000);
        expect([cutCount, stalledCount]).toEqual([0, 0]);
        pop.arriveOffsets(3);
        pass();
        expect([cutCount, stalledCount]).toEqual([1, 1]);
        expect((await waiting).messageBody).toBe('3');
        await cluster.broker.request(RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME, 1);
        expect(releasedOffsets(cluster.broker)).toEqual([1, 2]);
        const [reason, text] = await refusalOf(stream.next());
        expect(reason).toBe('OVERLOADED');
        expect(text).toContain('receive anew, and go on reading');
        expect(log.troubles).toEqual([
          'ended a stream whose reader stands still while others wait for PROXY_UNREAD_MB',
        ]);
        expect(log.lines.at(-1)?.fields).toMatchObject({ group: 'g', topic: 'topic' });
        await vi.waitUntil(() => unreadBytes.bytes === 1, 20_000);
      });

      it('goes on as long as nobody waits, and while it is seen to take something', async () => {
        const unreadBytes = startBounded();
        const reading = reader();
        const { stream } = receive(consumerId, { reader: reading });
        const pieces = reading.inPieces(
          (async function* () {
            for (let count = 0; count < 10; count += 1) yield new Uint8Array(1);
          })(),
        );
        pop.arriveOffsets(1);
        await next(stream);
        pass();
        pass();
        const others = receive();
        const waiting = next(others.stream);
        await vi.waitUntil(() => unreadBytes.waitingCount === 1, 20_000);
        for (let count = 0; count < 8; count += 1) {
          await pieces.next();
          vi.advanceTimersByTime((stalledLooks - 1) * lookIntervalMs);
        }
        expect(stalledCount).toBe(0);
        const second = stream.next();
        pop.arriveOffsets(2);
        expect((await Promise.race([waiting, second.then(({ value }) => value)]))?.messageBody).toBe('2');
        expect(stalledCount).toBe(0);
      });
    });

    it('fails for an id that is none', async () => {
      for (const id of ['', 'x']) expect((await refusalOf(receive(id).stream.next()))[0]).toBe('ID_NOT_FOUND');
    });

    it('fails where its topic is gone and nobody would make it', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, () => noRoute);
      expect((await refusalOf(receive().stream.next()))[0]).toBe('TOPIC_NOT_FOUND');
    });

    it('fails when the brokers refuse the group in the middle', async () => {
      const { stream } = receive();
      cluster.broker.on(POP_MESSAGE, () => ({ code: ResponseCode.NO_PERMISSION, remark: 'java.lang.X' }));
      const [reason, text] = await refusalOf(stream.next());
      expect(reason).toBe('BROKER_REFUSED');
      expect(text).not.toContain('java');
      expect(getEventListeners(draining.signal, 'abort')).toEqual([]);
    });
  });

  describe('an ack', () => {
    it('of a message twice is a success twice', async () => {
      const { stream } = receive();
      pop.arriveOffsets(1);
      const { receiptHandle } = await next(stream);
      await ack(receiptHandle);
      expect(await ack(receiptHandle)).toMatchObject({ success: true });
    });

    it('is taken without a stream, such as by another instance', async () => {
      const { stream } = receive();
      pop.arriveOffsets(1);
      const { receiptHandle } = await next(stream);
      const elsewhere = proxyParts(cluster);
      const { ackMessage } = createReceiveHandlers(elsewhere.sessions, elsewhere.receipts, {
        messagesMax: 1,
        writeTimeoutMs: 10_000,
        draining: new AbortController().signal,
        log,
        onReceived: () => {},
        onPaused: () => {},
      });
      const request = create(AckMessageRequestSchema, { consumerId, receiptHandle: receiptHandle ?? '' });
      expect(await ackMessage(request, patientCall())).toMatchObject({ success: true });
      expect(ackCount()).toBe(1);
    });

    it('by another consumer of the group counts for the stream: the message is not given back', async () => {
      const { stream, caller } = receive();
      pop.arriveOffsets(1, 2);
      const { receiptHandle } = await next(stream);
      await next(stream);
      await ack(receiptHandle, createConsumer());
      caller.abort();
      await stream.next();
      expect(releasedOffsets(cluster.broker)).toEqual([2]);
    });

    it('by a consumer of another group or topic is refused', async () => {
      cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: cluster.queues, other: cluster.queues }));
      const { stream } = receive();
      pop.arriveOffsets(1);
      const { receiptHandle } = await next(stream);
      for (const id of [createConsumer({ group: 'h' }), createConsumer({ topic: 'other' })]) {
        expect(await refusalOf(ack(receiptHandle, id))).toEqual([
          'INVALID_REQUEST',
          'receipt_handle belongs to another consumer group or topic: acknowledge by the consumer that received it',
        ]);
      }
      expect(ackCount()).toBe(0);
    });

    it('that comes too late is told so', async () => {
      const { stream } = receive();
      pop.arriveOffsets(1);
      const { receiptHandle } = await next(stream);
      vi.useFakeTimers({ now: Date.now() + 30_000, toFake: ['Date'] });
      onTestFinished(() => void vi.useRealTimers());
      expect(await refusalOf(ack(receiptHandle))).toEqual([
        'RECEIPT_EXPIRED',
        'the receipt came after the 30000 ms that a receiver has; the message is delivered again',
      ]);
      expect(ackCount()).toBe(0);
    });

    it('after the stream has ended is told so', async () => {
      const { stream, caller } = receive();
      pop.arriveOffsets(1);
      const { receiptHandle } = await next(stream);
      caller.abort();
      await stream.next();
      expect(await refusalOf(ack(receiptHandle))).toEqual([
        'RECEIPT_EXPIRED',
        'the message was given back, by a nack or by the end of its stream; it is delivered again',
      ]);
    });

    it.each([
      ['', 'receipt_handle is empty: pass the one that came with the message'],
      ['x', 'receipt_handle was not issued by this service, or was altered: use it exactly as it was returned'],
    ])('of %j is refused', async (handle, text) => {
      expect(await refusalOf(ack(handle))).toEqual(['INVALID_REQUEST', text]);
    });

    it('ends at the write timeout when the broker does not answer', async () => {
      start({ writeTimeoutMs: 100 });
      const { stream } = receive();
      pop.arriveOffsets(1);
      const answered = deferred<undefined>();
      cluster.broker.on(ACK_MESSAGE, async () => {
        await answered.promise;
        return {};
      });
      const { receiptHandle } = await next(stream);
      expect((await refusalOf(ack(receiptHandle)))[0]).toBe('DEADLINE');
      answered.resolve(undefined);
    });
  });
});
