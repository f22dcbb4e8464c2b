import { expect, test } from 'vitest';
import { readJson } from '../../src/remoting/json.ts';
import { encodeJson, type WritableJson } from '../../src/remoting/json-writer.ts';

test.each<[WritableJson, string]>([
  [null, 'null'],
  [true, 'true'],
  [1.5, '1.5'],
  ['a"\n', '"a\\"\\n"'],
  [[], '[]'],
  [[1, [2], 'x'], '[1,[2],"x"]'],
  [{}, '{}'],
  [{ b: 1, a: { 'x"': null }, gone: undefined }, '{"b":1,"a":{"x\\"":null}}'],
  [new Map(), '{}'],
  [{ brokerAddrs: new Map([[0, '10.0.0.1:10911']]) }, '{"brokerAddrs":{0:"10.0.0.1:10911"}}'],
  [new Map([[{ queueId: 0, topic: 'T' }, { maxOffset: 3 }]]), '{{"queueId":0,"topic":"T"}:{"maxOffset":3}}'],
])('writes %j', (value, text) => {
  expect(encodeJson(value).toString()).toBe(text);
});

test('what stands in no map is JSON for any reader', () => {
  const value = { list: [{ a: 1 }, 'ü\u2028'], n: -1e21, none: null };
  expect(JSON.parse(encodeJson(value).toString())).toEqual(value);
});

test('our reader takes keys of all kinds', () => {
  const body = encodeJson({
    offsetTable: new Map([[{ topic: 'T', queueId: 1 }, 7]]),
    brokerAddrs: new Map([[0, 'h:1']]),
  });
  expect(readJson(body)).toEqual({ offsetTable: { '{"topic":"T","queueId":1}': 7 }, brokerAddrs: { 0: 'h:1' } });
});
