import { create, fromBinary, isMessage, toBinary, toJson } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ReceivedMessage, readMessage } from '../../../src/client/received-message.ts';
import { type Message, MessageSchema } from '../../../src/gen/rocketmq/rocketmq_pb.ts';
import { DeliveredMessage } from '../../../src/proxy/receive/delivered-message.ts';
import { toMessage } from '../../../src/proxy/receive/incoming.ts';
import { PropertyCuts } from '../../../src/proxy/receive/property-cuts.ts';
import { MessageProperty } from '../../../src/remoting/message.ts';
import { decodeProperties } from '../../../src/remoting/message-properties.ts';
import { encoderOf } from '../../../src/wire/message-codec.ts';
import { ProtoWriter } from '../../../src/wire/proto-writer.ts';
import { storedMessage } from '../../support/scripted-cluster.ts';

const cuts = new PropertyCuts();
const encode = encoderOf(MessageSchema, new ProtoWriter());

interface Draft {
  readonly body: Buffer;
  readonly propertyBytes: Buffer;
  readonly bornTimestampMs: number;
  readonly reconsumeTimes: number;
}

const plain: Draft = {
  body: Buffer.from('grüße 😀'),
  propertyBytes: Buffer.from('TAGS\u0001t\u0002own\u0001wert 😀\u0002WAIT\u0001true\u0002UNIQ_KEY\u0001ID\u0002'),
  bornTimestampMs: 1_700_000_000_000,
  reconsumeTimes: 3,
};

/** A message as a consumer has it whose record holds these bytes. */
function received({ body, propertyBytes, bornTimestampMs, reconsumeTimes }: Draft): ReceivedMessage {
  const properties = decodeProperties(propertyBytes.toString());
  const stored = { ...storedMessage({ body, properties, bornTimestampMs }), propertyBytes };
  const receipt = { clientMark: 'c', deliveryNumber: 1, brokerName: 'b', queueTopic: 't', queueId: 0, queueOffset: 0n };
  return readMessage(stored, { topic: 'topic', reconsumeTimes, receipt }, body);
}

function deliveredOf(draft: Draft, isBinary = false): DeliveredMessage {
  return new DeliveredMessage(received(draft), 'handle', { isBinary, cuts });
}

/** What protobuf-es reads of what protobuf-es writes of the message as an object. */
function oracle(draft: Draft, isBinary: boolean): Message {
  const message = toMessage(received(draft), 'handle', isBinary);
  return fromBinary(MessageSchema, toBinary(MessageSchema, create(MessageSchema, message)));
}

const names = fc.oneof(
  fc.constantFrom(
    ...Object.values(MessageProperty),
    '__RMQ.TRANSIENT.x',
    '__RMQ.TRANSIENT.',
    '__RMQ.TRANSIENT',
    '__proto__',
  ),
  fc.constantFrom('a', 'b', '7', 'TAG', 'TAGSS', 'uniq_key', 'name'),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);
const pieces = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(names, fc.string({ unit: 'grapheme', maxLength: 90 }))
      .map((pair) => Buffer.from(`${pair.join('\u0001')}\u0002`)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('\u0001', '\u0002', 'a', 'a\u0001', '\u0001b', 'TAGS\u0001')
      .map((text) => Buffer.from(text)),
  },
);
const drafts: fc.Arbitrary<Draft> = fc.record({
  body: fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 300 }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  ),
  propertyBytes: fc
    .tuple(
      fc.array(pieces, { maxLength: 12 }),
      fc.oneof(
        { weight: 6, arbitrary: fc.constant(Buffer.alloc(0)) },
        fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      ),
    )
    .map(([all, rest]) => Buffer.concat([...all, rest])),
  bornTimestampMs: fc.oneof(fc.constant(0), fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER })),
  reconsumeTimes: fc.oneof(fc.constant(0), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
});

describe('a delivered message', () => {
  it('is read as protobuf-es would have written it, whatever is stored', () => {
    let copiedCount = 0;
    fc.assert(
      fc.property(drafts, fc.boolean(), (draft, isBinary) => {
        const delivered = deliveredOf(draft, isBinary);
        const bytes = new Uint8Array(encode(delivered));
        const expected = oracle(draft, isBinary);
        expect(fromBinary(MessageSchema, bytes)).toEqual(expected);
        // What Connect reads of it.
        expect(fromBinary(MessageSchema, toBinary(MessageSchema, create(MessageSchema, delivered)))).toEqual(expected);
        if (Buffer.from(draft.propertyBytes.toString()).equals(draft.propertyBytes)) copiedCount += 1;
      }),
      { numRuns: 1_000 },
    );
    expect(copiedCount).toBeGreaterThan(300);
  });

  it('is copied from what is stored: no text is made of it, and its properties are not read', () => {
    const message = received(plain);
    const read: string[] = [];
    const watched = new Proxy(message, {
      get(target, name) {
        read.push(String(name));
        return Reflect.get(target, name, target);
      },
    });
    const bytes = Buffer.from(encode(new DeliveredMessage(watched, 'handle', { isBinary: false, cuts })));
    expect(fromBinary(MessageSchema, bytes)).toEqual(oracle(plain, false));
    expect(read).not.toContain('properties');
    expect(read).not.toContain('tag');
  });

  it('has the id of where it lay first where its producer gave it none, and else that of where it lies', () => {
    const origin = Buffer.from('ORIGIN_MESSAGE_ID\u0001first\u0002');
    const ids = [origin, Buffer.alloc(0)].map((propertyBytes) => {
      const draft = { ...plain, propertyBytes };
      const { messageId, properties } = fromBinary(MessageSchema, encode(deliveredOf(draft)));
      expect(properties).toEqual({});
      return messageId;
    });
    expect(ids).toEqual(['first', received({ ...plain, propertyBytes: Buffer.alloc(0) }).messageId]);
  });

  it('is a message to protobuf-es, as it is', () => {
    const delivered = deliveredOf(plain);
    expect(isMessage(delivered, MessageSchema)).toBe(true);
    expect(create(MessageSchema, delivered)).toBe(delivered);
    expect(toJson(MessageSchema, delivered)).toMatchObject({ messageBody: 'grüße 😀', properties: { own: 'wert 😀' } });
  });

  it('forgets its body, and nothing else', () => {
    const delivered = deliveredOf(plain);
    expect(delivered.messageBody).toBe('grüße 😀');
    delivered.forgetBody();
    const expected = oracle({ ...plain, body: Buffer.alloc(0) }, false);
    expect(fromBinary(MessageSchema, encode(delivered))).toEqual(expected);
    expect(delivered.messageBody + delivered.tag).toBe('t');
  });
});
