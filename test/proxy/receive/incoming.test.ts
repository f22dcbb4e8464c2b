import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { ReceivedMessage } from '../../../src/client/received-message.ts';
import { type Message, MessageSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { isDeliverable, toMessage } from '../../../src/proxy/receive/incoming.ts';
import { rpcBytesMax } from '../../../src/proxy/rpc/call.ts';
import { MessageProperty } from '../../../src/remoting/message.ts';

function received(change: Partial<ReceivedMessage> = {}): ReceivedMessage {
  return {
    messageId: 'ID',
    topic: 'topic',
    body: Buffer.from('body'),
    tag: undefined,
    properties: new Map(),
    bornTimestampMs: 1_700_000_000_000,
    reconsumeTimes: 0,
    receipt: {
      startOffset: 0n,
      popTimeMs: 0,
      invisibleDurationMs: 30_000,
      reviveQueueId: 0,
      retry: '0',
      brokerName: 'broker-a',
      queueId: 0,
      queueOffset: 0n,
    },
    ...change,
  };
}

/** What a client reads of the bytes on the wire. */
function delivered(change: Partial<ReceivedMessage>, binaryBodies = false): Message {
  const message = toMessage(received(change), 'handle', binaryBodies);
  return fromBinary(MessageSchema, toBinary(MessageSchema, create(MessageSchema, message)));
}

describe('a message', () => {
  it('is delivered with all of its fields', () => {
    const properties = new Map([
      ['TAGS', 't'],
      ['KEYS', 'k1 k2'],
      ['UNIQ_KEY', 'ID'],
      ['__SHARDINGKEY', 's'],
      ['own', 'value'],
    ]);
    const change = { body: Buffer.from('grüße 😀'), tag: 't', properties, reconsumeTimes: 3 };
    expect(delivered(change)).toEqual({
      $typeName: 'rocketmq.Message',
      messageId: 'ID',
      receiptHandle: 'handle',
      messageBody: 'grüße 😀',
      binaryBody: new Uint8Array(),
      tag: 't',
      properties: Object.fromEntries(properties),
      bornTimestamp: 1_700_000_000_000n,
      reconsumeTimes: 3,
    });
  });

  it('without tag, body and properties has them empty', () => {
    expect(delivered({ body: Buffer.alloc(0) })).toMatchObject({ messageBody: '', tag: '', properties: {} });
  });

  it('does not show what RocketMQ keeps for itself', () => {
    const all = new Map([...Object.values(MessageProperty), '__RMQ.TRANSIENT.x'].map((name) => [name, 'secret']));
    expect(Object.keys(delivered({ properties: all }).properties).sort()).toEqual([
      'KEYS',
      'TAGS',
      'UNIQ_KEY',
      '__SHARDINGKEY',
    ]);
  });

  it('may have properties named like those of every object', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const message = toMessage(received({ properties: new Map(names.map((name) => [name, 'x'])) }), 'handle');
    const { properties = {} } = create(MessageSchema, message);
    expect(Object.keys(properties)).toEqual(names);
    expect(Object.prototype.toString.call({})).toBe('[object Object]');
    const bytes = Buffer.from(toBinary(MessageSchema, create(MessageSchema, message))).toString('latin1');
    for (const name of names) expect(bytes).toContain(name);
  });

  it('has U+FFFD where its body is not UTF-8', () => {
    expect(delivered({ body: Buffer.from([0x61, 0xff, 0x62, 0xc3, 0x28]) }).messageBody).toBe('a\ufffdb\ufffd(');
  });
});

describe('a message for who asks for binary bodies', () => {
  it.each([
    ['text', Buffer.from('grüße')],
    ['no UTF-8', Buffer.from([0x61, 0xff, 0x62, 0xc3, 0x28])],
    ['nothing', Buffer.alloc(0)],
  ])('has its body as it was sent: %s', (_, body) => {
    expect(delivered({ body }, true)).toMatchObject({ messageBody: '', binaryBody: new Uint8Array(body) });
  });
});

describe('a message that is too large for a reply', { timeout: 30_000 }, () => {
  /** Bytes of the whole message; undefined when it is not delivered. */
  function bytesOf(body: Buffer, binaryBodies: boolean): number | undefined {
    // As much as brokers store, and nothing of it UTF-8 or short to write.
    const properties = new Map(Array.from({ length: 3_000 }, (_, index) => [`${index}\ufffd`, '\ufffd'.repeat(10)]));
    if (!isDeliverable(body, binaryBodies)) return undefined;
    const message = toMessage(received({ body, properties }), 'h'.repeat(700), binaryBodies);
    return toBinary(MessageSchema, create(MessageSchema, message)).length;
  }

  /** The largest of such bodies that is delivered. */
  function largest(bodyOf: (length: number) => Buffer, binaryBodies: boolean): number {
    let [low, high] = [0, rpcBytesMax];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (!isDeliverable(bodyOf(middle), binaryBodies)) high = middle - 1;
      else low = middle;
    }
    return low;
  }

  it.each<[string, (length: number) => Buffer, number, boolean?]>([
    ['text', (length) => Buffer.alloc(length, 'x'), 1],
    ['text of many bytes for a character', (length) => Buffer.alloc(length - (length % 4), '😀'), 1],
    ['bytes that are no UTF-8', (length) => Buffer.alloc(length, 0xff), 3],
    ['bytes for who asks for bytes', (length) => Buffer.alloc(length, 0xff), 1, true],
  ])('is not delivered: %s', (_, bodyOf, growth, binaryBodies = false) => {
    const length = largest(bodyOf, binaryBodies);
    // All that a broker stores by default, where a body is text.
    expect(length * growth).toBeGreaterThan(4_194_304);
    const bytes = bytesOf(bodyOf(length), binaryBodies) ?? 0;
    expect(bytes).toBeGreaterThan(length * growth);
    expect(bytes).toBeLessThanOrEqual(rpcBytesMax);
    expect(bytesOf(bodyOf(length + 4), binaryBodies)).toBeUndefined();
  });
});
