import { describe, expect, test } from 'vitest';
import { type Message, toOutgoing } from '../../../src/client/api/message.ts';
import { userPropertiesBytesMax } from '../../../src/client/send/outgoing-message.ts';

const rules = { fullTopic: (topic: string) => `shop%${topic}`, bodyBytesMax: 8 };
const outgoing = (change: Partial<Message>) => toOutgoing({ topic: 'orders', body: 'hello', ...change }, rules);

describe('toOutgoing', () => {
  test('reads all that a message may have', () => {
    const given = { tag: 'paid', keys: ['a', 'b'], properties: { x: '1' }, shardingKey: 'k', delayLevel: 3 };
    expect(outgoing(given)).toEqual({
      topic: 'shop%orders',
      body: Buffer.from('hello'),
      tag: 'paid',
      keys: 'a b',
      properties: [['x', '1']],
      shardingKey: 'k',
      delivery: { kind: 'level', level: 3 },
    });
  });

  test('bodies are bytes or text', () => {
    expect(Buffer.from(outgoing({ body: 'ü' }).body)).toEqual(Buffer.from([0xc3, 0xbc]));
    const bytes = new Uint8Array([0, 255]);
    expect(outgoing({ body: bytes }).body).toBe(bytes);
    expect(outgoing({ body: '12345678' }).body).toHaveLength(8);
    expect(() => outgoing({ body: '123456789' })).toThrow('body has 9 bytes; at most 8 (bodyBytesMax) are allowed');
  });

  test('times are dates or ms; none, or level 0, is at once', () => {
    const time = { kind: 'time', deliverTimestampMs: 1_700_000_000_000 };
    expect(outgoing({ deliverAt: 1_700_000_000_000 }).delivery).toEqual(time);
    expect(outgoing({ deliverAt: new Date(1_700_000_000_000) }).delivery).toEqual(time);
    expect(outgoing({}).delivery).toEqual({ kind: 'now' });
    expect(outgoing({ delayLevel: 0 }).delivery).toEqual({ kind: 'now' });
    expect(outgoing({ delayLevel: 18 }).delivery).toEqual({ kind: 'level', level: 18 });
    expect(outgoing({ shardingKey: '' }).shardingKey).toBeUndefined();
  });

  test.each<Partial<Message>>([
    { delayLevel: 19 },
    { delayLevel: -1 },
    { delayLevel: 1.5 },
    { delayLevel: 1, deliverAt: 1 },
    { deliverAt: new Date('never') },
    { deliverAt: -1 },
    { tag: '*' },
    { tag: 'a||b' },
    { tag: ' a' },
    { tag: 'a\u0001' },
    { keys: 'a b' },
    { keys: ['a', 'b\u0002'] },
    { shardingKey: 'a\u0001' },
    { properties: { TAGS: 'x' } },
    { properties: { UNIQ_KEY: 'x' } },
    { properties: { '': 'x' } },
    { properties: { 'a\u0002': 'x' } },
    { properties: { a: 'x\u0001' } },
    { properties: { a: 'x'.repeat(userPropertiesBytesMax) } },
  ])('refuses %j', (change) => {
    expect(() => outgoing(change)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  test('properties may be as large as brokers can store', () => {
    const fits = 'x'.repeat(userPropertiesBytesMax - 2 - 2 - 3 * 1);
    expect(outgoing({ properties: { ab: fits.slice(1) } }).properties).toHaveLength(1);
    expect(() => outgoing({ properties: { ab: `${fits}xx` } })).toThrow(/at most 31744/);
  });

  test('what is no text where types were ignored is refused, not sent', () => {
    const change: Partial<Message> = JSON.parse('{"tag":5}');
    expect(() => outgoing(change)).toThrow('tag is of type number: give text');
    const body: Partial<Message> = JSON.parse('{"body":{"a":1}}');
    expect(() => outgoing(body)).toThrow(/body must be text or bytes/);
  });
});
