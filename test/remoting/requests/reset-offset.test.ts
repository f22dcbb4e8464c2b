import { expect, test } from 'vitest';
import { decodeResetOffsets, encodeResetOffsets, resetOffset } from '../../../src/remoting/requests/reset-offset.ts';
import { blankCommand } from '../../support/loopback-server.ts';

test('INVOKE_BROKER_TO_RESET_OFFSET has the code and the fields that Java writes', () => {
  expect(resetOffset.encode({ topic: 'T', group: 'g', timestamp: -1n, queueId: 2, offset: 3n })).toEqual({
    code: 222,
    extFields: { topic: 'T', group: 'g', timestamp: '-1', queueId: '2', offset: '3' },
  });
});

test('a request of a client 4.x names neither queue nor offset', () => {
  const extFields = { topic: 'T', group: 'g', timestamp: '5', isForce: 'true' };
  expect(resetOffset.decode({ ...blankCommand, extFields })).toEqual({
    topic: 'T',
    group: 'g',
    timestamp: 5n,
    force: true,
  });
});

test('queues are keys of the table, as fastjson writes them', () => {
  const queue = { topic: 'T', brokerName: 'broker-a', queueId: 1 };
  expect(encodeResetOffsets([{ queue, offset: 3 }]).toString()).toBe(
    '{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:3}}',
  );
});

test('an answer is read again; that of a broker 4.x may be empty', () => {
  const queue = { topic: 'T', brokerName: 'broker-a', queueId: 1 };
  const read = (body: Buffer) => decodeResetOffsets({ ...blankCommand, body }, 'h:1');
  expect(read(encodeResetOffsets([{ queue, offset: 3 }]))).toEqual([{ queue, offset: 3 }]);
  expect(read(Buffer.alloc(0))).toEqual([]);
  expect(() => read(Buffer.from('{"offsetTable":{{"brokerName":"b","queueId":1,"topic":"T"}:"x"}}'))).toThrow('reset');
  expect(() => decodeResetOffsets({ ...blankCommand, code: 206 }, 'h:1')).toThrow(
    expect.objectContaining({ code: 206 }),
  );
});
