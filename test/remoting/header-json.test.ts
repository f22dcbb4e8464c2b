import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Command, type ExtFields, newExtFields } from '../../src/remoting/command.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { decodeJsonHeader, type Header, jsonHeader } from '../../src/remoting/header-json.ts';
import { frameOfHeader } from '../support/encoded-command.ts';

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'toString', ''));
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const headers: fc.Arbitrary<Header> = fc.record({
  code: int32,
  opaque: int32,
  flag: int32,
  version: int32,
  remark: fc.option(text, { nil: undefined }),
  extFields: fc.array(fc.tuple(text, text)).map((entries) => {
    const fields: ExtFields = newExtFields();
    for (const [name, value] of entries) fields[name] = value;
    return fields;
  }),
});

function decode(json: string): Header {
  return decodeJsonHeader(frameOfHeader(Buffer.from(json)));
}

function withField(name: string, json: string): string {
  const fields = { code: '0', opaque: '1', flag: '1', version: '479', [name]: json };
  return `{${Object.entries(fields)
    .map(([key, value]) => `"${key}":${value}`)
    .join(',')}}`;
}

describe('JSON headers', () => {
  test('come back as they went, whatever their texts and names', () => {
    fc.assert(
      fc.property(headers, (header) => {
        const decoded = decode(jsonHeader(header));
        expect(decoded).toEqual({ ...header, language: 'NODE_JS', body: Buffer.alloc(0) });
        expect(Object.entries(decoded.extFields)).toEqual(Object.entries(header.extFields));
      }),
    );
  });

  test('are what servers read: strings for all fields, the serialisation by its name, no null remark', () => {
    const extFields = { topic: 'T', queueId: '3', empty: '' };
    const text = jsonHeader({ code: 310, opaque: -1, flag: 2, version: 475, remark: undefined, extFields });
    expect(JSON.parse(text)).toEqual({
      code: 310,
      opaque: -1,
      flag: 2,
      version: 475,
      language: 'NODE_JS',
      serializeTypeCurrentRPC: 'JSON',
      extFields,
    });
  });

  test('always have extFields: several processors of brokers fail without them', () => {
    const text = jsonHeader({
      code: 34,
      opaque: 1,
      flag: 0,
      version: 475,
      remark: undefined,
      extFields: newExtFields(),
    });
    expect(text).toContain('"extFields":{}');
  });

  test('may lack version, remark and extFields, or hold null there', () => {
    const fields = { remark: undefined, extFields: {}, body: Buffer.alloc(0) };
    const bare: Command = { code: 0, opaque: 7, flag: 1, version: 0, ...fields };
    expect(decode('{"code":0,"opaque":7,"flag":1}')).toEqual(bare);
    expect(decode('{"code":0,"opaque":7,"flag":1,"remark":null,"extFields":null}')).toEqual(bare);
  });

  test('of other clients may hold numbers and booleans as fields; null is absent', () => {
    expect(decode(withField('extFields', '{"n":5,"b":true,"s":"x","nothing":null,"o":{},"a":[1]}')).extFields).toEqual({
      n: '5',
      b: 'true',
      s: 'x',
    });
  });

  test('give fields that meet no inherited name', () => {
    const { extFields } = decode(withField('extFields', '{"__proto__":"x"}'));
    expect(Object.entries(extFields)).toEqual([['__proto__', 'x']]);
    expect(extFields['constructor']).toBeUndefined();
    expect(extFields['toString']).toBeUndefined();
  });

  test.each(['', 'x', '{', '[]', '[1]', 'null', '"text"', '5', 'true', '{"code":1}{'])('refuses %j', (json) => {
    expect(() => decode(json)).toThrow(RemotingError);
    expect(() => decode(json)).toThrow(expect.objectContaining({ kind: 'malformed' }));
  });

  describe.each(['code', 'opaque', 'flag', 'version'])('%s', (name) => {
    test.each(['-2147483648', '-1', '0', '2147483647'])('may be %s', (json) => {
      expect(decode(withField(name, json))).toHaveProperty(name, Number(json));
    });

    test.each(['2147483648', '-2147483649', '1.5', '1e300', '"1"', 'null', 'true', '[1]', '{}'])(
      'may not be %s',
      (json) => {
        expect(() => decode(withField(name, json))).toThrow(
          expect.objectContaining({ kind: 'malformed', message: expect.stringContaining(name) }),
        );
      },
    );
  });

  test('of garbage fail as malformed and in no other way', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json().map(Buffer.from), fc.uint8Array().map(Buffer.from)), (bytes: Buffer) => {
        try {
          decodeJsonHeader(frameOfHeader(bytes));
        } catch (error) {
          expect(error).toMatchObject({ name: 'RemotingError', kind: 'malformed' });
        }
      }),
    );
  });
});
