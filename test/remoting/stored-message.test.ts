import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import { encodeBatch } from '../../src/remoting/message-batch.ts';
import {
  bodyCrcOf,
  decodeStoredMessages,
  encodeStoredMessage,
  type StoredMessage,
  storedMessageBytesMax,
  writeStoredMessage,
} from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';

// MessageDecoder.encode of rocketmq-common 5.5.0 for the message below.
const encodedByJava =
  '00000086daa320a76902671000000003000000070000011f71fb04cb000000024cb016ea00000000' +
  '0000018bcfe5687b0a0102030000d4310000018bcfe569c87f00000100002a9f00000002000000000000002a' +
  '0000000d68656c6c6f2c20e4b896e7958c09546f7069635465737400' +
  '15636f6c6f720172c3b6740254414753015461674102';

const message: StoredMessage = {
  topic: 'TopicTest',
  queueId: 3,
  queueOffset: 1_234_567_890_123n,
  commitLogOffset: 9_876_543_210n,
  flag: 7,
  sysFlag: 0,
  bornTimestampMs: 1_700_000_000_123,
  bornHost: '10.1.2.3:54321',
  storeTimestampMs: 1_700_000_000_456,
  storeHost: '127.0.0.1:10911',
  reconsumeTimes: 2,
  preparedTransactionOffset: 42n,
  bodyCrc: 0x69026710,
  body: Buffer.from('hello, 世界'),
  properties: new Map([
    ['color', 'röt'],
    ['TAGS', 'TagA'],
  ]),
};

// The same, from hosts with IPv6 addresses and with a body compressed by java.util.zip.
const encodedByJavaV6 =
  '000000a2daa320a73d3915cc00000003000000070000011f71fb04cb000000024cb016ea00000331' +
  '0000018bcfe5687b20010db8000000000000000000000005000000010000018bcfe569c8' +
  '0000000000000000000000000000000100002a9f00000002000000000000002a' +
  '00000011785eabca2c50a81ac583060300bc6390ed09546f7069635465737400' +
  '15636f6c6f720172c3b6740254414753015461674102';

const messageV6: StoredMessage = {
  ...message,
  sysFlag: 0x331,
  bornHost: '[2001:db8::5]:1',
  storeHost: '[::1]:10911',
  bodyCrc: 0x3d3915cc,
  body: Buffer.from('785eabca2c50a81ac583060300bc6390ed', 'hex'),
};

const fromHex = (text: string): Buffer => Buffer.from(text, 'hex');

/** The bytes of a message with one int32 of it changed. */
function withInt32(at: number, value: number): Buffer {
  const bytes = fromHex(encodedByJava);
  bytes.writeInt32BE(value, at);
  return bytes;
}

describe('golden bytes', () => {
  test('a message that Java wrote is read and written the same', () => {
    expect(decodeStoredMessages(fromHex(encodedByJava))).toEqual([message]);
    expect(encodeStoredMessage(message).toString('hex')).toBe(encodedByJava);
  });

  test('so is one with IPv6 addresses and a compressed body', () => {
    expect(decodeStoredMessages(fromHex(encodedByJavaV6))).toEqual([messageV6]);
    expect(encodeStoredMessage(messageV6).toString('hex')).toBe(encodedByJavaV6);
  });

  test('the second format has two bytes for the length of the topic', () => {
    const topic = 't'.repeat(128);
    const parts = [
      '000000e2', // size: 90 for fixed fields and addresses, body 2, topic 2 + 128, properties 4
      'daa320ab', // magic code of the second format
      '00000000', // no CRC
      '00000001', // queue id
      '00000000', // user flag
      '0000000000000005', // queue offset
      '0000000000000064', // commit log offset
      '00000008', // transaction committed
      '0000018bcfe5687b', // born timestamp
      '0a0102030000d431', // born host
      '0000018bcfe569c8', // store timestamp
      '7f00000100002a9f', // store host
      '00000000', // reconsume times
      '0000000000000000', // prepared transaction offset
      '00000002', // length of the body
      Buffer.from('hi').toString('hex'),
      '0080', // length of the topic
      Buffer.from(topic).toString('hex'),
      '0004', // length of the properties
      '61016202', // a 0x01 b 0x02
    ];
    const [read, ...more] = decodeStoredMessages(fromHex(parts.join('')));
    expect(more).toEqual([]);
    expect(read).toEqual({
      ...message,
      topic,
      queueId: 1,
      queueOffset: 5n,
      commitLogOffset: 100n,
      flag: 0,
      sysFlag: SysFlag.TRANSACTION_COMMIT,
      reconsumeTimes: 0,
      preparedTransactionOffset: 0n,
      bodyCrc: 0,
      body: Buffer.from('hi'),
      properties: new Map([['a', 'b']]),
    });
    if (read !== undefined) expect(encodeStoredMessage(read).toString('hex')).toBe(parts.join(''));
  });

  test('a topic of 127 bytes keeps the first format', () => {
    const bytes = encodeStoredMessage({ ...message, topic: 't'.repeat(127) });
    expect(bytes.toString('hex', 4, 8)).toBe('daa320a7');
    expect(decodeStoredMessages(bytes)[0]?.topic).toHaveLength(127);
  });
});

describe('decodeStoredMessages', () => {
  test('reads messages back to back, bodies as views', () => {
    const bytes = Buffer.concat([fromHex(encodedByJava), fromHex(encodedByJavaV6), fromHex(encodedByJava)]);
    const messages = decodeStoredMessages(bytes);
    expect(messages).toEqual([message, messageV6, message]);
    for (const { body } of messages) expect(body.buffer).toBe(bytes.buffer);
  });

  test('no bytes are no messages', () => {
    expect(decodeStoredMessages(Buffer.alloc(0))).toEqual([]);
  });

  test('a cut anywhere but between messages is malformed', () => {
    const first = fromHex(encodedByJava);
    const bytes = Buffer.concat([first, fromHex(encodedByJavaV6)]);
    for (let end = 1; end < bytes.length; end += 1) {
      if (end === first.length) expect(decodeStoredMessages(bytes.subarray(0, end))).toEqual([message]);
      else expect(() => decodeStoredMessages(bytes.subarray(0, end))).toThrow(RemotingError);
    }
  });

  test('bytes missing in front are malformed, wherever the cut is', () => {
    const bytes = fromHex(encodedByJava);
    for (let start = 1; start < bytes.length; start += 1) {
      expect(() => decodeStoredMessages(bytes.subarray(start))).toThrow(RemotingError);
    }
  });

  test.each([
    ['size', 0],
    ['length of the body', 84],
  ])('a %s that is off is malformed', (_, at) => {
    const right = fromHex(encodedByJava).readInt32BE(at);
    for (const value of [-0x8000_0000, -1, 0, 1, 90, 91, right - 1, right + 1, right + 0x100, 0x7fff_ffff]) {
      expect(() => decodeStoredMessages(withInt32(at, value))).toThrow(RemotingError);
    }
  });

  test.each([
    ['topic', 101, [0x00, 0x08, 0x0a, 0x7f, 0x80, 0xff]],
    ['properties', 111, [0x80, 0xff, 0x01, 0x7f]],
    ['properties, low byte,', 112, [0x00, 0x14, 0x16, 0xff]],
  ])('a length of the %s that is off is malformed', (_, at, values) => {
    for (const value of values) {
      const bytes = fromHex(encodedByJava);
      bytes[at] = value;
      expect(() => decodeStoredMessages(bytes)).toThrow(RemotingError);
    }
  });

  test.each([
    ['of no message', 0x1234_5678],
    ['of the end of a commit log file', 0xcbd4_3194 | 0],
  ])('the magic code %s is malformed', (_, magic) => {
    expect(() => decodeStoredMessages(withInt32(4, magic))).toThrow('magic code');
  });

  test('address bits that the sender made up are malformed', () => {
    for (const sysFlag of [SysFlag.BORN_HOST_V6, SysFlag.STORE_HOST_V6, SysFlag.BORN_HOST_V6 | SysFlag.STORE_HOST_V6]) {
      expect(() => decodeStoredMessages(withInt32(36, sysFlag))).toThrow(RemotingError);
    }
  });

  test('every changed byte of a body is noticed', () => {
    const bytes = fromHex(encodedByJava);
    for (let at = 88; at < 101; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      expect(() => decodeStoredMessages(damaged)).toThrow('CRC');
    }
  });

  test('the top bit of a CRC does not count, and 0 means that there is none', () => {
    expect(decodeStoredMessages(withInt32(8, 0x69026710 | 0x8000_0000))).toEqual([message]);
    expect(decodeStoredMessages(withInt32(8, 0))).toEqual([{ ...message, bodyCrc: 0 }]);
  });

  test('times that a producer made up are brought into the safe integers', () => {
    const bytes = fromHex(encodedByJava);
    bytes.writeBigInt64BE(2n ** 63n - 1n, 40);
    expect(decodeStoredMessages(bytes)[0]?.bornTimestampMs).toBe(Number.MAX_SAFE_INTEGER);
    bytes.writeBigInt64BE(-(2n ** 63n), 40);
    expect(decodeStoredMessages(bytes)[0]?.bornTimestampMs).toBe(Number.MIN_SAFE_INTEGER);
    bytes.writeBigInt64BE(-1n, 40);
    expect(decodeStoredMessages(bytes)[0]?.bornTimestampMs).toBe(-1);
  });

  test('with onDamaged, a damaged message is left out and those around it are not', () => {
    const damaged = withInt32(8, 1);
    const bytes = Buffer.concat([fromHex(encodedByJava), damaged, fromHex(encodedByJavaV6)]);
    const reasons: RemotingError[] = [];
    expect(decodeStoredMessages(bytes, (reason) => reasons.push(reason))).toEqual([message, messageV6]);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]?.kind).toBe('malformed');
    expect(() => decodeStoredMessages(bytes)).toThrow(RemotingError);
  });

  test('with onDamaged, sizes that do not fit are malformed all the same', () => {
    const bytes = Buffer.concat([fromHex(encodedByJava), withInt32(0, 0x7fff_ffff)]);
    expect(() => decodeStoredMessages(bytes, () => undefined)).toThrow(RemotingError);
  });
});

describe('a batch that the broker keeps as one message', () => {
  const records = [
    { flag: 1, body: Buffer.from('one'), properties: new Map([['TAGS', 'a']]) },
    { flag: 2, body: Buffer.alloc(0), properties: new Map<string, string>() },
    { flag: 3, body: Buffer.from('three'), properties: new Map([['TAGS', 'c']]) },
  ];
  const body = encodeBatch(records);
  const sysFlag = SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH;
  const batch: StoredMessage = { ...message, sysFlag, body, bodyCrc: bodyCrcOf(body) };

  test('is taken apart, one queue offset each', () => {
    const bytes = Buffer.concat([encodeStoredMessage(batch), fromHex(encodedByJava)]);
    const inner = records.map((record, index) => ({
      ...message,
      ...record,
      queueOffset: message.queueOffset + BigInt(index),
      bodyCrc: bodyCrcOf(record.body),
    }));
    expect(decodeStoredMessages(bytes)).toEqual([...inner, message]);
  });

  test.each([SysFlag.NEED_UNWRAP, SysFlag.INNER_BATCH])('is left whole with only bit %i', (bit) => {
    const bytes = encodeStoredMessage({ ...batch, sysFlag: bit });
    expect(decodeStoredMessages(bytes)).toEqual([{ ...batch, sysFlag: bit }]);
  });

  test('is refused when it is compressed', () => {
    const bytes = encodeStoredMessage({ ...batch, sysFlag: sysFlag | SysFlag.COMPRESSED });
    expect(() => decodeStoredMessages(bytes)).toThrow('compressed');
  });

  test('that is none is damaged, not fatal: any producer can set the bits', () => {
    const forged = encodeStoredMessage({ ...message, sysFlag });
    const reasons: RemotingError[] = [];
    const bytes = Buffer.concat([forged, fromHex(encodedByJava)]);
    expect(decodeStoredMessages(bytes, (reason) => reasons.push(reason))).toEqual([message]);
    expect(reasons).toHaveLength(1);
  });
});

/** What `writeStoredMessage` writes in the middle of other bytes, which it must leave alone. */
function writtenAt(start: number, each: StoredMessage): Buffer {
  const roomEnd = start + storedMessageBytesMax(each);
  const bytes = Buffer.alloc(roomEnd + 5, 0xee);
  const end = writeStoredMessage(each, bytes, start);
  expect(end).toBeLessThanOrEqual(roomEnd);
  expect(bytes.subarray(0, start).every((byte) => byte === 0xee)).toBe(true);
  expect(bytes.subarray(roomEnd).every((byte) => byte === 0xee)).toBe(true);
  return bytes.subarray(start, end);
}

describe('encodeStoredMessage', () => {
  test('takes properties up to 32,767 bytes, and no more', () => {
    const withValue = (bytes: number) => ({ ...message, properties: new Map([['k', 'v'.repeat(bytes)]]) });
    const largest = withValue(32_764);
    expect(decodeStoredMessages(encodeStoredMessage(largest))).toEqual([largest]);
    expect(() => encodeStoredMessage(withValue(32_765))).toThrow(RemotingError);
  });

  test('takes a topic up to 32,767 bytes, and no more', () => {
    const longest = { ...message, topic: 't'.repeat(32_767) };
    expect(decodeStoredMessages(encodeStoredMessage(longest))).toEqual([longest]);
    expect(() => encodeStoredMessage({ ...message, topic: 't'.repeat(32_768) })).toThrow(RemotingError);
  });

  test('refuses what is no address', () => {
    expect(() => encodeStoredMessage({ ...message, storeHost: 'localhost:1' })).toThrow(RemotingError);
  });

  test('sets the address bits by the addresses', () => {
    const bytes = encodeStoredMessage({ ...message, sysFlag: SysFlag.BORN_HOST_V6 | SysFlag.STORE_HOST_V6 });
    expect(decodeStoredMessages(bytes)).toEqual([message]);
  });

  test('gives back what was encoded', () => {
    const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    const any = fc.record({
      topic: fc.string({ unit: 'grapheme', maxLength: 200 }),
      queueId: int32,
      queueOffset: int64,
      commitLogOffset: int64,
      flag: int32,
      sysFlag: int32.map((bits) => bits & ~(SysFlag.BORN_HOST_V6 | SysFlag.STORE_HOST_V6 | SysFlag.INNER_BATCH)),
      bornTimestampMs: fc.maxSafeInteger(),
      bornHost: fc.ipV4().map((ip) => `${ip}:80`),
      storeTimestampMs: fc.maxSafeInteger(),
      storeHost: fc.ipV4().map((ip) => `${ip}:65535`),
      reconsumeTimes: int32,
      preparedTransactionOffset: int64,
      body: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      properties: fc
        .array(fc.tuple(fc.stringMatching(/^[a-zäß]{1,8}$/), fc.stringMatching(/^[a-z€ ]{1,8}$/)))
        .map((pairs) => new Map(pairs)),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), (bodies) => {
        const messages = bodies.map((each): StoredMessage => ({ ...each, bodyCrc: bodyCrcOf(each.body) }));
        expect(decodeStoredMessages(Buffer.concat(messages.map(encodeStoredMessage)))).toEqual(messages);
        for (const each of messages) expect(writtenAt(5, each)).toEqual(encodeStoredMessage(each));
      }),
    );
  });
});
