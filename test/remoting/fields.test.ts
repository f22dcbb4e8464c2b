import { describe, expect, test } from 'vitest';
import { ResponseError } from '../../src/remoting/errors.ts';
import { decodeFields, defineRequest, encodeFields, type FieldSpec } from '../../src/remoting/fields.ts';
import { blankCommand } from '../support/loopback-server.ts';

const table = {
  name: { kind: 'string' },
  queueId: { wire: 'q', kind: 'int32' },
  offset: { kind: 'int64' },
  bornTimeMs: { wire: 'bornTime', kind: 'millis' },
  order: { kind: 'boolean' },
  note: { kind: 'string', optional: true },
  count: { wire: 'n', kind: 'int32', optional: true },
} as const;

const values = { name: 'T', queueId: -1, offset: 2n ** 60n, bornTimeMs: 1_700_000_000_123, order: false };
const wire = { name: 'T', q: '-1', offset: '1152921504606846976', bornTime: '1700000000123', order: 'false' };

function malformed(text: string): unknown {
  return expect.objectContaining({ name: 'RemotingError', kind: 'malformed', message: expect.stringContaining(text) });
}

describe('encodeFields', () => {
  test('writes each kind as text, under its wire name, and leaves out what has no value', () => {
    expect(encodeFields(table, values)).toEqual(wire);
    expect(encodeFields(table, { ...values, note: undefined, count: 0 })).toEqual({ ...wire, n: '0' });
    expect(encodeFields(table, { ...values, note: '' })).toEqual({ ...wire, note: '' });
  });

  test.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, -(2 ** 31) - 1])('refuses %d as int32', (queueId) => {
    expect(() => encodeFields(table, { ...values, queueId })).toThrow(malformed('queueId'));
  });

  test.each([0.5, Number.NaN, 2 ** 53])('refuses %d as milliseconds', (bornTimeMs) => {
    expect(() => encodeFields(table, { ...values, bornTimeMs })).toThrow(malformed('bornTimeMs'));
  });

  test.each([2n ** 63n, -(2n ** 63n) - 1n])('refuses %d as int64', (offset) => {
    expect(() => encodeFields(table, { ...values, offset })).toThrow(malformed('offset'));
  });

  test('writes the ends of each range', () => {
    const ends = { queueId: 2 ** 31 - 1, offset: -(2n ** 63n), bornTimeMs: Number.MAX_SAFE_INTEGER };
    expect(encodeFields(table, { ...values, ...ends, count: -(2 ** 31) })).toMatchObject({
      q: '2147483647',
      offset: '-9223372036854775808',
      bornTime: '9007199254740991',
      n: '-2147483648',
    });
  });
});

describe('decodeFields', () => {
  test('reads each kind, and an absent optional field as undefined', () => {
    expect(decodeFields(table, wire, 'TEST')).toEqual(values);
    expect(decodeFields(table, { ...wire, note: '', n: '7' }, 'TEST')).toEqual({ ...values, note: '', count: 7 });
  });

  test('ignores fields that the table does not name', () => {
    expect(decodeFields(table, { ...wire, MSG_REGION: 'x', queueId: '9' }, 'TEST')).toEqual(values);
  });

  test.each(['name', 'queueId', 'offset', 'bornTimeMs', 'order'] as const)('names %s when it is missing', (name) => {
    const { wire: wireName = name }: FieldSpec = table[name];
    const extFields = Object.fromEntries(Object.entries(wire).filter(([key]) => key !== wireName));
    expect(() => decodeFields(table, extFields, 'the reply to TEST')).toThrow(
      malformed(`the reply to TEST has no ${name}`),
    );
  });

  test.each(['2147483648', '-2147483649', '1.5', '', ' 1', '0x10', '1e3', 'x', '+1', '99999999999999999999'])(
    'refuses %j as int32 and names the field',
    (q) => expect(() => decodeFields(table, { ...wire, q }, 'TEST')).toThrow(malformed('queueId of TEST')),
  );

  test.each(['9223372036854775808', '-9223372036854775809', '9999999999999999999', '1.0', '', 'x', '1n'])(
    'refuses %j as int64 and names the field',
    (offset) => expect(() => decodeFields(table, { ...wire, offset }, 'TEST')).toThrow(malformed('offset of TEST')),
  );

  test.each(['9007199254740992', '9007199254740993', '-9007199254740992', '', 'x', '1.5'])(
    'refuses %j as milliseconds and names the field',
    (bornTime) =>
      expect(() => decodeFields(table, { ...wire, bornTime }, 'TEST')).toThrow(malformed('bornTimeMs of TEST')),
  );

  test('reads the ends of each range exactly', () => {
    const ends = { q: '-2147483648', offset: '9223372036854775807', bornTime: '-9007199254740991', n: '2147483647' };
    expect(decodeFields(table, { ...wire, ...ends }, 'TEST')).toMatchObject({
      queueId: -(2 ** 31),
      offset: 2n ** 63n - 1n,
      bornTimeMs: -Number.MAX_SAFE_INTEGER,
      count: 2 ** 31 - 1,
    });
  });

  test.each([
    ['true', true],
    ['TRUE', true],
    ['false', false],
    ['1', false],
    ['', false],
  ])('reads the boolean %j as Java does', (order, expected) => {
    expect(decodeFields(table, { ...wire, order }, 'TEST')).toMatchObject({ order: expected });
  });
});

describe('defineRequest', () => {
  const test1 = defineRequest({ code: 1001, name: 'TEST', request: table, reply: { id: { kind: 'string' } } });
  const tolerant = defineRequest({ code: 1, name: 'T', request: {}, reply: {}, successCodes: [0, 210] });

  test('encodes the content of a request, with a body where there is one', () => {
    expect(test1.encode(values)).toEqual({ code: 1001, extFields: wire });
    const body = Buffer.from('b');
    expect(test1.encode(values, body).body).toBe(body);
  });

  test('decodes what it encoded', () => {
    expect(test1.decode({ ...blankCommand, ...test1.encode(values), body: blankCommand.body })).toEqual(values);
  });

  test('decodes a reply with a success code, and throws the code and remark of any other with the address', () => {
    expect(test1.decodeReply({ ...blankCommand, extFields: { id: 'x' } }, 'h:1')).toEqual({ id: 'x' });
    const refused = { ...blankCommand, code: 17, remark: 'No topic route info' };
    expect(() => test1.decodeReply(refused, 'h:1')).toThrow(ResponseError);
    expect(() => test1.decodeReply(refused, 'h:1')).toThrow(
      expect.objectContaining({
        code: 17,
        remark: 'No topic route info',
        address: 'h:1',
        message: 'h:1 answered TOPIC_NOT_EXIST (17): No topic route info',
      }),
    );
    expect(() => test1.decodeReply({ ...blankCommand, code: 4242 }, 'h:1')).toThrow(
      expect.objectContaining({ remark: '', message: 'h:1 answered code 4242' }),
    );
  });

  test('takes exactly the success codes that it declares', () => {
    expect(tolerant.decodeReply({ ...blankCommand, code: 210 }, 'h:1')).toEqual({});
    expect(() => tolerant.decodeReply({ ...blankCommand, code: 209 }, 'h:1')).toThrow(ResponseError);
    expect(() => test1.decodeReply({ ...blankCommand, code: 210 }, 'h:1')).toThrow(ResponseError);
  });

  test('names the field and the reply when a reply lacks one', () => {
    expect(() => test1.decodeReply(blankCommand, 'h:1')).toThrow(malformed('the reply to TEST has no id'));
  });
});
