import { expect, test } from 'vitest';
import type { Command } from '../../../src/remoting/command.ts';
import { ResponseError } from '../../../src/remoting/errors.ts';
import {
  connectionCountMax,
  decodeClientConnections,
  encodeConsumerConnections,
  encodeProducerConnections,
  getConsumerConnections,
  getProducerConnections,
} from '../../../src/remoting/requests/client-connections.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const connection = { clientId: 'c', address: '127.0.0.1:1', language: 'JAVA', version: 407 };
const javaConnection = '{"clientAddr":"127.0.0.1:1","clientId":"c","language":"JAVA","version":407}';

test('have the codes and the fields that Java writes', () => {
  expect(getConsumerConnections.encode({ consumerGroup: 'g' })).toEqual({
    code: 203,
    extFields: { consumerGroup: 'g' },
  });
  expect(getProducerConnections.encode({ producerGroup: 'p' })).toEqual({
    code: 204,
    extFields: { producerGroup: 'p' },
  });
});

test('bodies are what Java reads', () => {
  expect(encodeProducerConnections([connection]).toString()).toBe(`{"connectionSet":[${javaConnection}]}`);
  const consumers = encodeConsumerConnections({
    connections: [connection],
    subscriptions: [
      { topic: 'T', expression: 'a', version: 3 },
      { topic: 'U', expression: 'a > 1', expressionType: 'SQL92', version: 4 },
    ],
    consumeType: 'CONSUME_PASSIVELY',
    messageModel: 'CLUSTERING',
    consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
  });
  const subscription = (topic: string, type: string, text: string, version: number) =>
    `"${topic}":{"classFilterMode":false,"codeSet":[],"expressionType":"${type}","subString":"${text}",` +
    `"subVersion":${version},"tagsSet":[],"topic":"${topic}"}`;
  expect(consumers.toString()).toBe(
    `{"connectionSet":[${javaConnection}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",` +
      '"consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{' +
      `${subscription('T', 'TAG', 'a', 3)},${subscription('U', 'SQL92', 'a > 1', 4)}}}`,
  );
});

const answered = (body: string, code = 0): Command => ({ ...blankCommand, code, body: Buffer.from(body) });
const read = (body: string, code?: number) =>
  decodeClientConnections(getConsumerConnections, answered(body, code), 'h:1');

test('clients are read as Java writes them, and those whose language the broker has no name for', () => {
  const nameless = '{"clientAddr":"10.0.0.1:2","clientId":"d","version":435}';
  expect(read(`{"connectionSet":[${javaConnection},${nameless}],"subscriptionTable":{}}`)).toEqual([
    connection,
    { clientId: 'd', address: '10.0.0.1:2', language: 'OTHER', version: 435 },
  ]);
  expect(decodeClientConnections(getProducerConnections, answered('{"connectionSet":[]}'), 'h:1')).toEqual([]);
});

test('what is no list of clients is refused', () => {
  expect(() => read('', 206)).toThrow(ResponseError);
  for (const body of ['[]', '{"connectionSet":{}}', '{"connectionSet":[1]}', '{"connectionSet":[{"clientId":"c"}]}'])
    expect(() => read(body)).toThrow(expect.objectContaining({ kind: 'malformed' }));
  const many = `{"connectionSet":[${Array(connectionCountMax + 1)
    .fill('{}')
    .join()}]}`;
  expect(() => read(many)).toThrow(/at most 65536/);
});
