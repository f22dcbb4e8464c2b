import { beforeEach, describe, expect, it } from 'vitest';
import { LazyStream } from '../../../src/client/lazy-stream.ts';
import type { PullReceipt } from '../../../src/client/receipt.ts';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { PropertyCuts } from '../../../src/proxy/receive/property-cuts.ts';
import { largeBytesMin, StreamDeliveries } from '../../../src/proxy/receive/stream-deliveries.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

const receipt = { clientMark: 'c', brokerName: 'broker-a', queueTopic: 'topic', queueId: 0, queueOffset: 0n };

describe('StreamDeliveries', () => {
  let waiting: ReceivedMessage<PullReceipt>[];
  let leftOutCount: number;
  let isEnded: boolean;

  beforeEach(() => {
    waiting = [];
    leftOutCount = 0;
    isEnded = false;
  });

  function deliveriesOf(bodies: readonly Buffer[], binaryBodies = false): StreamDeliveries {
    waiting = bodies.map((body, index) => ({
      messageId: `ID-${index}`,
      topic: 'topic',
      body,
      tag: undefined,
      properties: new Map(),
      bornTimestampMs: 0,
      reconsumeTimes: 0,
      receipt: { ...receipt, deliveryNumber: index },
    }));
    const stream = new LazyStream<PullReceipt>(() => ({
      messages: { takeNow: () => waiting.shift(), next: async () => waiting.shift() },
      end: async () => {
        isEnded = true;
      },
    }));
    return new StreamDeliveries(stream, {
      binaryBodies,
      cuts: new PropertyCuts(),
      seal: () => 'handle',
      onLeftOut: () => {
        leftOutCount += 1;
      },
      log: new MemoryLog(),
    });
  }

  /** More than any reply can hold, since each byte becomes three. */
  const tooLarge = Buffer.alloc(2_000_000, 0xff);

  it('gives what is at hand at once, waits for the first, and says when there is no more', async () => {
    const deliveries = deliveriesOf([Buffer.from('a'), Buffer.from('b')]);
    expect(deliveries.takeNow()).toBeUndefined();
    expect(await deliveries.next()).toMatchObject({ messageId: 'ID-0', messageBody: 'a', receiptHandle: 'handle' });
    expect(deliveries.takeNow()).toMatchObject({ messageId: 'ID-1', messageBody: 'b' });
    expect(deliveries.takeNow()).toBeUndefined();
    expect(await deliveries.next()).toBeUndefined();
    expect(isEnded).toBe(true);
  });

  it('leaves out what no reply can hold, either way', async () => {
    const deliveries = deliveriesOf([tooLarge, Buffer.from('b'), tooLarge, Buffer.from('d')]);
    expect(await deliveries.next()).toMatchObject({ messageBody: 'b' });
    expect(deliveries.takeNow()).toMatchObject({ messageBody: 'd' });
    expect(leftOutCount).toBe(2);
  });

  it.each([true, false])(
    'forgets a large body when it is told to, and no small one (as bytes: %s)',
    async (asBytes) => {
      const deliveries = deliveriesOf(
        [Buffer.alloc(largeBytesMin, 'x'), Buffer.alloc(largeBytesMin - 1, 'x')],
        asBytes,
      );
      const [large, small] = [await deliveries.next(), deliveries.takeNow()];
      deliveries.forgetBody();
      const bodyLength = (message = small): number =>
        (message?.messageBody.length ?? 0) + (message?.binaryBody.length ?? 0);
      expect([bodyLength(large), bodyLength()]).toEqual([largeBytesMin, largeBytesMin - 1]);
      const again = deliveriesOf([Buffer.alloc(largeBytesMin, 'x')], asBytes);
      const last = await again.next();
      again.forgetBody();
      again.forgetBody();
      expect(bodyLength(last)).toBe(0);
      expect(last).toMatchObject({ messageId: 'ID-0', receiptHandle: 'handle' });
    },
  );

  it('ends its stream', async () => {
    const deliveries = deliveriesOf([Buffer.from('a'), Buffer.from('b')]);
    await deliveries.next();
    await deliveries.end();
    expect(isEnded).toBe(true);
    expect(await deliveries.next()).toBeUndefined();
  });
});
