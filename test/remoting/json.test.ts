import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isJsonObject, readJson, readJsonObject } from '../../src/remoting/json.ts';
import { capturedCommand } from '../support/captured-command.ts';

const malformed = expect.objectContaining({ name: 'RemotingError', kind: 'malformed' });

function read(text: string): unknown {
  return readJson(Buffer.from(text));
}

describe('readJson', () => {
  test('reads any JSON as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('reads any JSON inside what only the tolerant reader takes', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(read(` { 0 : ${text} , "k" : [ ${text} ] } `)).toEqual({ 0: JSON.parse(text), k: [JSON.parse(text)] });
      }),
    );
  });

  test('reads integer keys without quotes, as name servers write them', () => {
    expect(read('{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:10911",1:"[::1]:10921"}}}}')).toEqual({
      brokerAddrTable: { 'broker-a': { brokerAddrs: { 0: '127.0.0.1:10911', 1: '[::1]:10921' } } },
    });
  });

  test.each(['cluster-info-4.9.7', 'cluster-info-5.5.0'])(
    'reads %s of a real name server, which JSON.parse does not',
    (name) => {
      const { body } = capturedCommand(name);
      expect(() => JSON.parse(body.toString())).toThrow(SyntaxError);
      expect(readJson(body)).toMatchObject({
        brokerAddrTable: { 'broker-a': { brokerAddrs: { 0: expect.stringMatching(/^127\.0\.0\.1:\d+$/) } } },
        clusterAddrTable: { DefaultCluster: ['broker-a'] },
      });
    },
  );

  test('keeps every digit of an integer key', () => {
    expect(read('{12345678901234567890:1,-3:2}')).toEqual({ '12345678901234567890': 1, '-3': 2 });
  });

  test('reads whole objects as keys, by the text that stands there', () => {
    expect(
      read(
        '{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"t"}:3,{"brokerName":"b","queueId":1,"topic":"t"}:4}}',
      ),
    ).toEqual({
      offsetTable: {
        '{"brokerName":"b","queueId":0,"topic":"t"}': 3,
        '{"brokerName":"b","queueId":1,"topic":"t"}': 4,
      },
    });
    expect(read('{ {0:[1,2]} : {{"a":"}"}:null} }')).toEqual({ '{0:[1,2]}': { '{"a":"}"}': null } });
  });

  test('reads strings with braces, quotes, commas, colons and escapes in them', () => {
    const value = '{"}:,[]\\ \n \u0001 é 🚀 \\" //';
    expect(read(`{0:${JSON.stringify(value)},${JSON.stringify(`k${value}`)}:1}`)).toEqual({
      0: value,
      [`k${value}`]: 1,
    });
    expect(read('{0:"\\u4e3b\\/\\ud83d\\ude80"}')).toEqual({ 0: '主/🚀' });
  });

  test('reads every kind of value', () => {
    expect(read('{0:[null,true,false,0,-0.5,1.5e3,2E-2,"",[],{}]}')).toEqual({
      0: [null, true, false, 0, -0.5, 1500, 0.02, '', [], {}],
    });
  });

  test('takes a key like __proto__ as a key', () => {
    for (const text of ['{"__proto__":{"polluted":1},"a":0}', '{0:0,"__proto__":{"polluted":1},"a":0}']) {
      const value = readJsonObject(Buffer.from(text), 'a test');
      expect(Object.keys(value)).toContain('__proto__');
      expect(value['polluted']).toBeUndefined();
    }
    expect(Object.prototype).not.toHaveProperty('polluted');
  });

  test.each([
    ...[
      '',
      ' ',
      '{',
      '[',
      '"',
      '{0',
      '{0:',
      '{0:1',
      '{0:1,',
      '{0:1,}',
      '{0 1}',
      '{:1}',
      '[1,]',
      '[1 2]',
      '{0:1}}',
      '{0:1}x',
    ],
    ...['{0:01}', '{0:+1}', '{0:.5}', '{0:1.}', '{0:NaN}', '{0:nul}', '{0:undefined}', "{0:'a'}", '{a:1}'],
    ...['{0:"', '{0:"a', '{0:"a\\', '{0:"a\\"', '{0:"\\x"}', '{0:"\\u12"}', '{0:"\n"}'],
  ])('refuses %j', (text) => {
    expect(() => read(text)).toThrow(malformed);
  });

  test('says where a text stops making sense', () => {
    expect(() => read('{0:1,"ab":x}')).toThrow('character 10');
  });

  test('nests objects and arrays 64 deep and no deeper', () => {
    const nested = (depth: number) => `${'{0:'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`;
    expect(() => read(nested(64))).not.toThrow();
    expect(() => read(nested(65))).toThrow(malformed);
    expect(() => read('{'.repeat(1_000_000))).toThrow(malformed);
    expect(() => read(`{0:${'['.repeat(1_000_000)}`)).toThrow(malformed);
  });

  test('spends on keys within keys no more than their length', () => {
    const depth = 64;
    const text = `${'{'.repeat(depth)}"a":1}${':1}'.repeat(depth - 1)}`;
    const value = readJsonObject(Buffer.from(text), 'a test');
    expect(Object.keys(value)).toEqual([text.slice(1, -3)]);
  });

  test('takes the longest strings, spaces and numbers a frame can hold without running out of stack', {
    timeout: 60_000,
  }, () => {
    const length = 16_000_000;
    expect(read(`{0:"${'a'.repeat(length)}"}`)).toEqual({ 0: 'a'.repeat(length) });
    expect(read(`{0:${' '.repeat(length)}1}`)).toEqual({ 0: 1 });
    expect(read(`{0:${'1'.repeat(length)}}`)).toEqual({ 0: Number.POSITIVE_INFINITY });
    expect(() => read(`{0:"${'a'.repeat(length)}`)).toThrow(malformed);
  });

  test('fails on garbage as malformed and in no other way', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"',
      '\\',
      '0',
      '-1',
      'true',
      'null',
      'a',
      ' ',
      '{0:1}',
    );
    const garbage = fc.oneof(
      fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join(''))),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(garbage, (body) => {
        try {
          readJson(body);
        } catch (error) {
          expect(error).toEqual(malformed);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

test('readJsonObject takes objects and names what is none', () => {
  expect(readJsonObject(Buffer.from('{"a":1}'), 'a route')).toEqual({ a: 1 });
  for (const text of ['[]', 'null', '1', '"a"']) {
    expect(() => readJsonObject(Buffer.from(text), 'a route')).toThrow('a route is not a JSON object');
  }
});

test('isJsonObject tells objects from all else', () => {
  expect([{}, { a: 1 }].map(isJsonObject)).toEqual([true, true]);
  expect([null, undefined, [], 'a', 1, true].map((value) => isJsonObject(value))).toEqual([
    false,
    false,
    false,
    false,
    false,
    false,
  ]);
});
