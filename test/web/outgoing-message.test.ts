import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { SendMessagesRequestSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { rpcBytesMax } from '../../src/proxy/rpc/call.ts';
import { batchMessagesMax as taken } from '../../src/proxy/send/send-batch.ts';
import { batchBytesMax, batchMessagesMax, splitMessages, toFields } from '../../src/web/outgoing-message.ts';

describe('a message', () => {
  it('has the fields of the API, empty where nothing is said', () => {
    expect(toFields({ body: 'ü' })).toEqual({
      binaryBody: new Uint8Array([0xc3, 0xbc]),
      tag: '',
      properties: { properties: {}, messageKey: '', shardingKey: '', startDeliverTime: 0n },
    });
    const options = { tag: 't', properties: { a: 'b' }, messageKey: 'k', shardingKey: 's' };
    expect(toFields({ body: new Uint8Array([0, 255]), ...options, startDeliverTime: new Date(1_000) })).toEqual({
      binaryBody: new Uint8Array([0, 255]),
      tag: 't',
      properties: { properties: { a: 'b' }, messageKey: 'k', shardingKey: 's', startDeliverTime: 1_000n },
    });
    expect(toFields({ body: '', startDeliverTime: 1_000.4 }).properties.startDeliverTime).toBe(1_001n);
  });

  it('is delivered at no time that is none', () => {
    expect(() => toFields({ body: '', startDeliverTime: new Date('never') })).toThrow('startDeliverTime');
  });
});

describe('messages', () => {
  const bytesOf = (messages: ReturnType<typeof toFields>[]): number =>
    toBinary(SendMessagesRequestSchema, create(SendMessagesRequestSchema, { messages })).length;

  it('go in order, 1,000 in a call', () => {
    const all = Array.from({ length: 2_001 }, (_, index) => toFields({ body: `${index}` }));
    const parts = splitMessages(all);
    expect(parts.map(({ length }) => length)).toEqual([1_000, 1_000, 1]);
    expect(parts.flat()).toEqual(all);
    expect(batchMessagesMax).toBe(taken);
    expect(splitMessages([])).toEqual([]);
  });

  it('go in calls that the proxy takes, whatever they are made of', () => {
    const text = '語'.repeat(5_000);
    const properties = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${index}`, text.slice(0, 100)]));
    const full = toFields({ body: new Uint8Array(30_000), tag: text, messageKey: text, shardingKey: text, properties });
    const parts = splitMessages(Array<typeof full>(200).fill(full));
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) expect(bytesOf(part)).toBeLessThanOrEqual(batchBytesMax);
    expect(batchBytesMax).toBeLessThan(rpcBytesMax);
  });

  it('go alone where they are larger than a call', () => {
    const large = toFields({ body: new Uint8Array(batchBytesMax) });
    const small = toFields({ body: 'x' });
    expect(splitMessages([small, large, small, small])).toEqual([[small], [large], [small, small]]);
  });
});
