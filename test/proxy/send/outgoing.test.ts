import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type OutgoingMessage, userPropertiesBytesMax } from '../../../src/client/send/outgoing-message.ts';
import { MessagePropertiesSchema, MessageSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { toMessage } from '../../../src/proxy/receive/incoming.ts';
import { Receipts } from '../../../src/proxy/receive/receipts.ts';
import {
  checkImmunitySecondsMax,
  deliveredBytesMax,
  type SendOverrides,
  toCheckImmunity,
  toOutgoing,
} from '../../../src/proxy/send/outgoing.ts';
import { Sealer } from '../../../src/proxy/session/seal.ts';
import { MessageProperty } from '../../../src/remoting/message.ts';
import { encodeProperties } from '../../../src/remoting/message-properties.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';

interface Draft {
  readonly body?: string;
  readonly binaryBody?: Uint8Array;
  readonly tag?: string;
  readonly properties?: Omit<MessageInitShape<typeof MessagePropertiesSchema>, '$typeName'>;
}

function outgoing(draft: Draft, overrides?: SendOverrides): OutgoingMessage {
  const { binaryBody = new Uint8Array(), body = binaryBody.length === 0 ? 'b' : '', tag = '', properties } = draft;
  const init = properties === undefined ? undefined : create(MessagePropertiesSchema, properties);
  return toOutgoing('topic', { messageBody: body, binaryBody, tag, properties: init }, overrides);
}

/** The text of the refusal; fails for anything but INVALID_ARGUMENT. */
function refusal(work: () => unknown): string {
  try {
    work();
    return 'taken';
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.InvalidArgument) return error.rawMessage;
    throw error;
  }
}

describe('a body of bytes', () => {
  it('is sent as it is, UTF-8 or not', () => {
    for (const binaryBody of [Buffer.from([0xff, 0, 0xc3]), Buffer.from('grüße')]) {
      expect(outgoing({ binaryBody }).body).toEqual(binaryBody);
    }
  });

  it('is refused beside one of text, and left out where it is empty', () => {
    const both = { body: 'b', binaryBody: Buffer.from('b') };
    expect(refusal(() => outgoing(both))).toBe('message_body and binary_body are both set: give one of them');
    expect(outgoing({ body: 'b', binaryBody: new Uint8Array() }).body).toEqual(Buffer.from('b'));
    expect(outgoing({ body: '', binaryBody: new Uint8Array() }).body).toHaveLength(0);
  });
});

describe('a message with nothing but a body', () => {
  it('has nothing else, with and without MessageProperties', () => {
    const expected = {
      topic: 'topic',
      body: Buffer.from('grüße'),
      tag: '',
      keys: '',
      properties: [],
      shardingKey: undefined,
      delivery: { kind: 'now' },
    };
    expect(outgoing({ body: 'grüße' })).toEqual(expected);
    // What the published SDK sends: every field, empty or zero.
    const properties = { messageKey: '', shardingKey: '', startDeliverTime: 0n, transCheckImmunityTime: 0 };
    expect(
      outgoing({ body: 'grüße', properties }, { shardingKey: '', delayLevel: 0n, deliverTimestampMs: 0n }),
    ).toEqual(expected);
  });
});

describe('fields and MessageProperties', () => {
  it('are taken over', () => {
    const properties = { properties: { a: '1', b: '' }, messageKey: 'k1 k2', shardingKey: 's', startDeliverTime: 5n };
    expect(outgoing({ tag: 't', properties })).toMatchObject({
      tag: 't',
      keys: 'k1 k2',
      properties: [
        ['a', '1'],
        ['b', ''],
      ],
      shardingKey: 's',
      delivery: { kind: 'time', deliverTimestampMs: 5 },
    });
  });

  it.each<[SendOverrides, string, bigint, object]>([
    [{ shardingKey: 'own' }, 'theirs', 0n, { shardingKey: 'own' }],
    [{ shardingKey: '' }, 'theirs', 0n, { shardingKey: 'theirs' }],
    [{ shardingKey: '' }, '', 0n, { shardingKey: undefined }],
    [{ deliverTimestampMs: 7n }, '', 5n, { delivery: { kind: 'time', deliverTimestampMs: 7 } }],
    [{ deliverTimestampMs: 0n }, '', 5n, { delivery: { kind: 'time', deliverTimestampMs: 5 } }],
    [{ delayLevel: 3n }, '', 5n, { delivery: { kind: 'time', deliverTimestampMs: 5 } }],
    [{ delayLevel: 3n }, '', 0n, { delivery: { kind: 'level', level: 3 } }],
  ])('of the request win over those of MessageProperties: %o over %s, %s', (overrides, shardingKey, time, expected) => {
    const properties = { shardingKey, startDeliverTime: time };
    expect(outgoing({ properties }, overrides)).toMatchObject(expected);
  });
});

describe('delay levels', () => {
  it.each([
    [0n, { kind: 'now' }],
    [1n, { kind: 'level', level: 1 }],
    [18n, { kind: 'level', level: 18 }],
  ])('%s is taken', (delayLevel, delivery) => {
    expect(outgoing({}, { delayLevel }).delivery).toEqual(delivery);
  });

  it.each([-1n, 19n, -(2n ** 63n), 2n ** 63n - 1n])('%s is refused, with a time too', (delayLevel) => {
    const text = `delay_time_level is ${delayLevel}; levels are 1 to 18, 0 for none`;
    expect(refusal(() => outgoing({}, { delayLevel }))).toBe(text);
    expect(refusal(() => outgoing({}, { delayLevel, deliverTimestampMs: 1n }))).toBe(text);
  });
});

describe('delivery times', () => {
  it.each([1n, BigInt(Number.MAX_SAFE_INTEGER)])('%s is taken', (time) => {
    const delivery = { kind: 'time', deliverTimestampMs: Number(time) };
    expect(outgoing({}, { deliverTimestampMs: time }).delivery).toEqual(delivery);
    expect(outgoing({ properties: { startDeliverTime: time } }).delivery).toEqual(delivery);
  });

  it.each([-1n, BigInt(Number.MAX_SAFE_INTEGER) + 1n, -(2n ** 63n), 2n ** 63n - 1n])('%s is refused', (time) => {
    const text = `start_deliver_time is ${time}; it is a time in milliseconds since 1970, 0 for none`;
    expect(refusal(() => outgoing({}, { deliverTimestampMs: time }))).toBe(text);
    expect(refusal(() => outgoing({ properties: { startDeliverTime: time } }))).toBe(text);
  });
});

describe('the immunity against transaction checks', () => {
  const properties = (transCheckImmunityTime: number) => create(MessagePropertiesSchema, { transCheckImmunityTime });

  it.each([
    [0, undefined, undefined],
    [0, properties(0), undefined],
    [0, properties(7), 7],
    [5, properties(7), 5],
    [5, undefined, 5],
    [checkImmunitySecondsMax, undefined, checkImmunitySecondsMax],
  ])('%s over %o is %s', (own, theirs, expected) => {
    expect(toCheckImmunity(own, theirs)).toBe(expected);
  });

  it.each([
    [-1, undefined],
    [checkImmunitySecondsMax + 1, undefined],
    [0, properties(-(2 ** 31))],
    [0, properties(2 ** 31 - 1)],
  ])('%s over %o is refused', (own, theirs) => {
    expect(refusal(() => toCheckImmunity(own, theirs))).toMatch(/^trans_check_immunity_time is -?\d+; it may be 0 /);
  });
});

describe('what would forge properties', () => {
  const places: [string, (text: string) => Draft][] = [
    ['tag', (tag) => ({ tag })],
    ['message_key', (messageKey) => ({ properties: { messageKey } })],
    ['sharding_key', (shardingKey) => ({ properties: { shardingKey } })],
    ['the value of property "name"', (name) => ({ properties: { properties: { name } } })],
    ['the property name', (name) => ({ properties: { properties: { [name]: 'value' } } })],
  ];

  it.each(places)('is refused in %s', (place, draft) => {
    for (const text of ['\u0001', '\u0002', 'a\u0001', '\u0002a', 'a\u0002TAGS\u0001x']) {
      const message = refusal(() => outgoing(draft(text)));
      expect(message).toContain(place);
      expect(message).toContain('has the character 0x01 or 0x02');
    }
  });

  it('is refused in the sharding key of the request', () => {
    expect(refusal(() => outgoing({}, { shardingKey: 'a\u0001' }))).toContain('sharding_key has the character');
  });

  it.each([...Object.values(MessageProperty), '__RMQ.TRANSIENT.x'])('is refused: a property named %s', (name) => {
    expect(refusal(() => outgoing({ properties: { properties: { a: '1', [name]: 'x' } } }))).toBe(
      `the property name ${JSON.stringify(name)} belongs to RocketMQ: use another name or the field for it`,
    );
  });

  it('is refused: an empty name', () => {
    expect(refusal(() => outgoing({ properties: { properties: { '': 'x' } } }))).toBe('properties has an empty name');
  });

  it('is told in a short text, however long the name', () => {
    const name = `${'\u0001'.repeat(1_000_000)}`;
    expect(refusal(() => outgoing({ properties: { properties: { [name]: '' } } })).length).toBeLessThan(1_000);
  });

  it('is all there is: other characters are taken', () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((each) => !/[\u0001\u0002]/.test(each));
    const name = text.map((each) => `p${each}`);
    fc.assert(
      fc.property(text, text, text, fc.dictionary(name, text), (tag, messageKey, shardingKey, properties) => {
        const message = outgoing({ tag, properties: { messageKey, shardingKey, properties } });
        expect(message).toMatchObject({ tag, keys: messageKey, shardingKey, properties: Object.entries(properties) });
      }),
    );
  });
});

describe('sizes', () => {
  const sealer = new Sealer([Buffer.alloc(32, 'a key of the test')]);
  const receipt: PopReceipt = {
    startOffset: 2n ** 63n - 1n,
    popTimeMs: 1_700_000_000_000,
    invisibleDurationMs: 43_200_000,
    reviveQueueId: 2 ** 31 - 1,
    retry: '1',
    brokerName: 'b'.repeat(255),
    queueId: 2 ** 31 - 1,
    queueOffset: 2n ** 63n - 1n,
  };
  const receiptHandle = new Receipts(sealer).seal('twelve chars', receipt);

  /** The bytes of the message as a gRPC client gets it. */
  function deliveredBytes({ body, tag, keys, shardingKey, properties }: OutgoingMessage): number {
    const own: [string, string | undefined][] = [
      [MessageProperty.UNIQ_KEY, 'F'.repeat(32)],
      [MessageProperty.TAGS, tag],
      [MessageProperty.KEYS, keys],
      [MessageProperty.SHARDING_KEY, shardingKey],
    ];
    const stored = [...(properties ?? []), ...own].flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, value] as [string, string]],
    );
    const message = toMessage(
      {
        messageId: 'F'.repeat(32),
        topic: 'topic',
        body: Buffer.from(body),
        tag,
        properties: new Map(stored),
        bornTimestampMs: Number.MAX_SAFE_INTEGER,
        reconsumeTimes: 2 ** 31 - 1,
      },
      receiptHandle,
    );
    return toBinary(MessageSchema, create(MessageSchema, message)).length;
  }

  /** A draft with the largest body that is taken, which is found by the refusal of one that is too large. */
  function largest(draft: Draft): Draft {
    const text = refusal(() => outgoing({ ...draft, body: 'x'.repeat(deliveredBytesMax + 1) }));
    const [, bytesMax] = /^message_body has 4194305 bytes; at most (\d+) can be delivered$/.exec(text) ?? [];
    return { ...draft, body: 'x'.repeat(Number(bytesMax)) };
  }

  /** So many properties with values of so many characters as are taken. */
  function many(valueChars: number, nameChars = 3): Record<string, string> {
    const names = Array.from({ length: userPropertiesBytesMax }, (_, index) =>
      index.toString(36).padStart(nameChars, '-'),
    );
    let left = userPropertiesBytesMax - 4;
    const taken = names.filter((name) => {
      left -= name.length + valueChars + 2;
      return left >= 0;
    });
    return Object.fromEntries(taken.map((name) => [name, 'v'.repeat(valueChars)]));
  }

  it.each<[string, Draft]>([
    ['no property', {}],
    [
      'a tag and keys',
      { tag: 't'.repeat(5_000), properties: { messageKey: 'k'.repeat(9_000), shardingKey: 's'.repeat(9_000) } },
    ],
    ['thousands of properties', { properties: { properties: many(1) } }],
    ['properties of 127 bytes', { properties: { properties: many(127) } }],
    ['properties of 128 bytes', { properties: { properties: many(128) } }],
    ['properties with long names', { properties: { properties: many(128, 128) } }],
    ['two large properties', { properties: { properties: many(15_000) } }],
    ['one large property', { properties: { properties: { a: 'v'.repeat(31_000) } } }],
    ['properties of many bytes for a character', { properties: { properties: { ü: '😀'.repeat(7_000) } } }],
  ])('what is just taken with %s can just be delivered', (_, draft) => {
    const just = largest(draft);
    const bytes = deliveredBytes(outgoing(just));
    expect(bytes).toBeLessThanOrEqual(deliveredBytesMax);
    // Nor is much given away: 2 KiB, and what the shortest properties have spare.
    expect(bytes).toBeGreaterThan(deliveredBytesMax - 24_576);
    expect(refusal(() => outgoing({ ...just, body: `${just.body}x` }))).toMatch(/^message_body has/);
  });

  it('of bodies of bytes are those of text, and the field is named', () => {
    const just = new Uint8Array(Buffer.byteLength(largest({}).body ?? ''));
    expect(outgoing({ binaryBody: just }).body).toBe(just);
    expect(refusal(() => outgoing({ binaryBody: new Uint8Array(just.length + 1) }))).toMatch(/^binary_body has/);
  });

  it('of bodies count in bytes', () => {
    const just = largest({}).body ?? '';
    const count = Math.floor(just.length / 4);
    expect(outgoing({ body: '😀'.repeat(count) }).body).toHaveLength(count * 4);
    expect(refusal(() => outgoing({ body: '😀'.repeat(count + 1) }))).toMatch(/^message_body has/);
  });

  it('of properties end where brokers take no more', () => {
    const name = 'n'.repeat(10);
    const fits = 'ü'.repeat((userPropertiesBytesMax - 10 - 2 - 4) / 2);
    const message = outgoing({ properties: { properties: { [name]: fits } } });
    expect(encodeProperties(message.properties ?? [])).toHaveLength(10 + fits.length + 2);
    expect(refusal(() => outgoing({ properties: { properties: { [name]: `${fits}x` } } }))).toBe(
      `properties, tag and keys has ${userPropertiesBytesMax + 1} bytes; at most ${userPropertiesBytesMax} can be delivered`,
    );
  });

  it('of tag and keys count too', () => {
    const half = 'x'.repeat(userPropertiesBytesMax / 2);
    for (const draft of [
      { tag: half },
      { properties: { messageKey: half, shardingKey: half } },
      { properties: { messageKey: half, properties: { a: half } } },
    ]) {
      expect(refusal(() => outgoing(draft))).toMatch(/^properties, tag and keys has/);
    }
  });
});
