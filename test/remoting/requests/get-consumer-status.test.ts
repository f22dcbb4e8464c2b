import { expect, test } from 'vitest';
import {
  consumerStatusAnswer,
  decodeConsumerStatus,
  getConsumerStatus,
  invokeGetConsumerStatus,
} from '../../../src/remoting/requests/get-consumer-status.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const queue = { topic: 'T', brokerName: 'b', queueId: 3 };

function reply(body: string) {
  return { ...blankCommand, body: Buffer.from(body) };
}

test('both requests have the codes and the fields that Java writes', () => {
  const values = { topic: 'T', group: 'g' };
  expect(invokeGetConsumerStatus.encode({ ...values, clientId: 'c' })).toEqual({
    code: 223,
    extFields: { ...values, clientAddr: 'c' },
  });
  expect(getConsumerStatus.encode(values)).toEqual({ code: 221, extFields: values });
});

test('a client answers with whole queues where keys belong; what is none is passed over', () => {
  const body =
    '{"messageQueueTable":{{"brokerName":"b","queueId":3,"topic":"T"}:5,7:1,{"brokerName":"b","queueId":3,"topic":"T"}:6}}';
  expect(decodeConsumerStatus(reply(body), 'h:1')).toEqual([{ queue, offset: 6 }]);
  expect(decodeConsumerStatus(reply('{}'), 'h:1')).toEqual([]);
  expect(() => decodeConsumerStatus(reply(''), 'h:1')).toThrow(expect.objectContaining({ kind: 'malformed' }));
  expect(() => decodeConsumerStatus({ ...blankCommand, code: 1 }, 'h:1')).toThrow(expect.objectContaining({ code: 1 }));
});

test('a tool is answered in the same way, by client', () => {
  const { body } = consumerStatusAnswer(new Map([['c@1', [{ queue, offset: 5 }]]]));
  expect(Buffer.from(body ?? []).toString()).toBe(
    '{"consumerTable":{"c@1":{{"topic":"T","brokerName":"b","queueId":3}:5}},"messageQueueTable":{}}',
  );
});
