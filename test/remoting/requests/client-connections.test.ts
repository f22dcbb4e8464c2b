import { expect, test } from 'vitest';
import {
  encodeConsumerConnections,
  encodeProducerConnections,
  getConsumerConnections,
  getProducerConnections,
} from '../../../src/remoting/requests/client-connections.ts';

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
