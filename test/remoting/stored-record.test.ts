import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import { decodeProperties } from '../../src/remoting/message-properties.ts';
import {
  bodyCrcOf,
  decodeStoredMessages,
  encodeStoredMessage,
  readStoredMessages,
  type StoredMessage,
} from '../../src/remoting/stored-message.ts';
import { StoredRecord } from '../../src/remoting/stored-record.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';

const host = fc.oneof(
  fc.tuple(fc.ipV4(), fc.nat(65_535)).map(([ip, port]) => `${ip}:${port}`),
  fc.nat(65_535).map((port) => `[2001:db8::5]:${port}`),
);
const millis = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
const addressBits = SysFlag.BORN_HOST_V6 | SysFlag.STORE_HOST_V6;

const anyMessage: fc.Arbitrary<StoredMessage> = fc
  .record({
    topic: fc.string({ minLength: 1, maxLength: 200 }),
    queueId: int32,
    queueOffset: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    commitLogOffset: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    flag: int32,
    // No batch that is kept as one message.
    sysFlag: int32.map((flag) => flag & ~(SysFlag.NEED_UNWRAP | SysFlag.INNER_BATCH)),
    bornTimestampMs: millis,
    bornHost: host,
    storeTimestampMs: millis,
    storeHost: host,
    reconsumeTimes: int32,
    preparedTransactionOffset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    body: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    hasCrc: fc.boolean(),
    properties: fc.dictionary(text, text, { maxKeys: 4 }).map((entries) => new Map(Object.entries(entries))),
  })
  .map(({ hasCrc, ...message }) => ({ ...message, bodyCrc: hasCrc ? bodyCrcOf(message.body) : 0 }));

/** The flags of a message once it is stored: the address bits are those of its addresses. */
function storedFlags({ sysFlag, bornHost, storeHost }: StoredMessage): number {
  const born = bornHost.startsWith('[') ? SysFlag.BORN_HOST_V6 : 0;
  return (sysFlag & ~addressBits) | born | (storeHost.startsWith('[') ? SysFlag.STORE_HOST_V6 : 0);
}

/** What reading gives: the messages and how many were damaged, or that the bytes are none. */
function outcome(read: typeof decodeStoredMessages, bytes: Buffer) {
  let damagedCount = 0;
  try {
    const messages = read(bytes, () => {
      damagedCount += 1;
    });
    return { messages: messages.map((one) => (one instanceof StoredRecord ? one.toMessage() : one)), damagedCount };
  } catch (error) {
    if (error instanceof RemotingError) return error.message;
    throw error;
  }
}

describe('a stored message that is read field by field', () => {
  test('has what was written, wherever among others it lies, and as often as it is asked', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 4 }), (messages) => {
        const read = readStoredMessages(Buffer.concat(messages.map(encodeStoredMessage)));
        for (const [index, message] of messages.entries()) {
          const record = read[index];
          if (!(record instanceof StoredRecord)) expect.fail('no record');
          const expected = { ...message, sysFlag: storedFlags(message) };
          expect([record.toMessage(), record.toMessage()]).toEqual([expected, expected]);
          expect(record.properties).toBe(record.properties);
          expect(decodeProperties(record.propertyBytes.toString())).toEqual(message.properties);
        }
      }),
    );
  });

  test('is damaged whenever one is that is read at once', () => {
    const changed = fc.tuple(
      fc.array(anyMessage, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
    );
    fc.assert(
      fc.property(changed, ([messages, place, change]) => {
        const bytes = Buffer.concat(messages.map(encodeStoredMessage));
        const at = place % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(outcome(readStoredMessages, bytes)).toEqual(outcome(decodeStoredMessages, bytes));
      }),
      { numRuns: 500 },
    );
  });
});
