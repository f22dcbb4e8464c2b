import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  keyCountMax,
  keyHash,
  RecordCursor,
  recordBytesMax,
  trailerBytes,
  writeTrailer,
} from '../../../src/broker/store/record-cursor.ts';
import { javaStringHash } from '../../../src/remoting/java-hash.ts';
import { bodyCrcOf, encodeStoredMessage, type StoredMessage } from '../../../src/remoting/stored-message.ts';

const message: StoredMessage = {
  topic: 'orders',
  queueId: 3,
  queueOffset: 5n,
  commitLogOffset: 9_876_543_210n,
  flag: 7,
  sysFlag: 0,
  bornTimestampMs: 1_700_000_000_123,
  bornHost: '10.1.2.3:54321',
  storeTimestampMs: 1_700_000_000_456,
  storeHost: '127.0.0.1:10911',
  reconsumeTimes: 2,
  preparedTransactionOffset: 42n,
  bodyCrc: bodyCrcOf(Buffer.from('hello')),
  body: Buffer.from('hello'),
  properties: new Map([
    ['UNIQ_KEY', '7F0001'],
    ['TAGS', 'TagA'],
    ['KEYS', 'a b  c'],
  ]),
};

/** The record with its trailer, behind `before` other bytes. */
function recordOf(changes: Partial<StoredMessage> = {}, before = 0): { bytes: Buffer; size: number } {
  const record = encodeStoredMessage({ ...message, ...changes });
  const bytes = Buffer.alloc(before + record.length + trailerBytes);
  record.copy(bytes, before);
  writeTrailer(bytes, before, before + record.length, 3);
  return { bytes, size: record.length };
}

function cursorOn(changes: Partial<StoredMessage> = {}, before = 0): RecordCursor {
  const { bytes, size } = recordOf(changes, before);
  const cursor = new RecordCursor();
  expect(cursor.moveTo(bytes, before, size)).toBe(true);
  return cursor;
}

const place = Number(message.commitLogOffset);

describe('a record', () => {
  test('is read', () => {
    const cursor = cursorOn({}, 11);
    expect(cursor).toMatchObject({
      start: 11,
      commitLogOffset: place,
      queueId: 3,
      queueOffset: 5,
      storeTimestampMs: 1_700_000_000_456,
      replaces: 42,
      followCount: 3,
      topic: 'orders',
      properties: 'UNIQ_KEY\u00017F0001\u0002TAGS\u0001TagA\u0002KEYS\u0001a b  c\u0002',
    });
    expect(cursor.body.toString()).toBe('hello');
    expect(cursor.record.equals(encodeStoredMessage(message))).toBe(true);
    cursor.readProperties();
    expect(cursor.tagsCode).toBe(javaStringHash('TagA'));
    expect([...cursor.keyHashes.subarray(0, cursor.keyCount)]).toEqual(
      ['7F0001', 'a', 'b', 'c'].map((key) => keyHash('orders', key)),
    );
  });

  const host = fc.constantFrom('1.2.3.4:5', '[2001:db8::5]:1', '255.255.255.255:65535');
  const text = (lengthMax: number) =>
    fc.string({ unit: 'binary', maxLength: lengthMax }).map((s) => s.replace(/[\u0001\u0002\ud800-\udfff]/g, ''));

  test('of any content is read as it was written', () => {
    fc.assert(
      fc.property(
        text(300),
        fc.uint8Array({ maxLength: 300 }),
        text(60),
        host,
        host,
        (topic, body, tags, bornHost, storeHost) => {
          const properties = new Map([
            ['TAGS', tags],
            ['other', tags],
          ]);
          const cursor = cursorOn({ topic, body: Buffer.from(body), bodyCrc: 0, bornHost, storeHost, properties });
          cursor.readProperties();
          expect(cursor).toMatchObject({ topic, queueOffset: 5, storeTimestampMs: 1_700_000_000_456, replaces: 42 });
          expect(cursor.body.equals(body)).toBe(true);
          expect(cursor.tagsCode).toBe(javaStringHash(tags));
        },
      ),
    );
  });

  test('is not intact with any bit of any byte flipped', () => {
    const { bytes, size } = recordOf();
    const cursor = new RecordCursor();
    for (let at = 0; at < bytes.length; at += 1) {
      for (const bit of [1, 0x10, 0x80]) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ bit;
        const said = RecordCursor.sizeAt(damaged, 0, place);
        expect(said === size && cursor.moveTo(damaged, 0, size)).toBe(false);
      }
    }
  });

  test('whose lengths lie is not intact, whatever its CRC', () => {
    const { bytes, size } = recordOf();
    const cursor = new RecordCursor();
    for (let at = 84; at < size; at += 1) {
      for (const value of [0x00, 0x7f, 0x80, 0xff]) {
        const lying = Buffer.from(bytes);
        lying[at] = value;
        lying.writeUInt32BE(crc32(lying.subarray(0, size + 4)), size + 4);
        // Within the body, the topic and the properties it is another message; anything else must not read beyond the record.
        if (cursor.moveTo(lying, 0, size)) expect(cursor.topicEnd + 2).toBeLessThanOrEqual(size);
      }
    }
    bytes.writeInt32BE(2 ** 31 - 1, 84);
    expect(cursor.moveTo(bytes, 0, size)).toBe(false);
  });
});

describe('the size of a record', () => {
  test('is told only where its magic code and its place are right', () => {
    const { bytes, size } = recordOf();
    expect(RecordCursor.sizeAt(bytes, 0, place)).toBe(size);
    expect(RecordCursor.sizeAt(bytes, 0, place + 1)).toBe(-1);
    expect(RecordCursor.seemsToStart(bytes, 0, place + 1)).toBe(true);
    bytes.writeInt32BE(0, 4);
    expect(RecordCursor.sizeAt(bytes, 0, place)).toBe(-1);
    expect(RecordCursor.seemsToStart(bytes, 0, place)).toBe(true);
    expect(RecordCursor.seemsToStart(bytes, 0, place + 1)).toBe(false);
  });

  test.each([
    [90, -1],
    [91, 91],
    [recordBytesMax, recordBytesMax],
    [recordBytesMax + 1, -1],
    [-1, -1],
  ])('%i counts as %i', (said, expected) => {
    const { bytes } = recordOf();
    bytes.writeInt32BE(said, 0);
    expect(RecordCursor.sizeAt(bytes, 0, place)).toBe(expected);
  });
});

test('a place beyond 32 bits is set', () => {
  const cursor = cursorOn({ bornHost: '[::1]:9' });
  cursor.setPlace(2 ** 40 + 7, 2 ** 45 + 9, 1_800_000_000_001);
  const again = new RecordCursor();
  again.moveToNew(cursor.record, 0, cursor.size);
  expect(again).toMatchObject({
    queueOffset: 2 ** 40 + 7,
    commitLogOffset: 2 ** 45 + 9,
    storeTimestampMs: 1_800_000_000_001,
  });
});

describe('properties', () => {
  test('are read as clients read them: the last of two names, none without a value', () => {
    const withText = (text: string): RecordCursor => {
      const { bytes, size } = recordOf({ properties: new Map([['x', 'y'.repeat(text.length - 3)]]) });
      bytes.write(text, size - text.length);
      const cursor = new RecordCursor();
      cursor.moveToNew(bytes, 0, size);
      cursor.readProperties();
      return cursor;
    };
    expect(withText('TAGS\u0001a\u0002TAGS\u0001b\u0002').tagsCode).toBe(javaStringHash('b'));
    expect(withText('TAGS\u0001a\u0002TAGS\u0001\u0002').tagsCode).toBe(javaStringHash('a'));
    expect(withText('TAGS\u0001a\u0002TAGS').tagsCode).toBe(javaStringHash('a'));
    expect(withText('TAGSX\u0001a\u0002KEYX\u0001b\u0002').tagsCode).toBe(0);
    expect(withText('TAGS\u0001last one').tagsCode).toBe(javaStringHash('last one'));
    expect(withText('UNIQ_KEX\u0001a\u0002KEYX\u0001b\u0002').keyCount).toBe(0);
  });

  test('of the record before leave nothing', () => {
    const cursor = cursorOn();
    cursor.readProperties();
    const { bytes, size } = recordOf({ properties: new Map() });
    cursor.moveToNew(bytes, 0, size);
    cursor.readProperties();
    expect([cursor.tagsCode, cursor.keyCount]).toEqual([0, 0]);
  });

  test('have a limit of keys, the unique one not counted', () => {
    const keys = Array.from({ length: keyCountMax + 5 }, (_, number) => `k${number}`);
    const cursor = cursorOn({
      properties: new Map([
        ['UNIQ_KEY', 'u'],
        ['KEYS', keys.join(' ')],
      ]),
    });
    cursor.readProperties();
    expect(cursor.keyCount).toBe(keyCountMax + 1);
    expect(cursor.keyHashes[keyCountMax]).toBe(keyHash('orders', `k${keyCountMax - 1}`));
  });
});
