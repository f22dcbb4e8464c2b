import { expect, test } from 'vitest';
import {
  getMaxOffset,
  queryConsumerOffset,
  updateConsumerOffset,
} from '../../../src/remoting/requests/consumer-offset.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const queue = { topic: 'T', queueId: 3 };

test('have the codes and the fields that Java writes, but for what is optional there', () => {
  expect(queryConsumerOffset.encode({ consumerGroup: 'g', ...queue })).toEqual({
    code: 14,
    extFields: { consumerGroup: 'g', topic: 'T', queueId: '3' },
  });
  expect(updateConsumerOffset.encode({ consumerGroup: 'g', ...queue, commitOffset: 42n })).toEqual({
    code: 15,
    extFields: { consumerGroup: 'g', topic: 'T', queueId: '3', commitOffset: '42' },
  });
  expect(getMaxOffset.encode(queue)).toEqual({ code: 30, extFields: { topic: 'T', queueId: '3' } });
});

test('QUERY_CONSUMER_OFFSET has no offset where the group is new', () => {
  expect(queryConsumerOffset.decodeReply({ ...blankCommand, extFields: { offset: '42' } }, 'h:1')).toEqual({
    offset: 42n,
  });
  expect(queryConsumerOffset.decodeReply(capturedCommand('query-offset-5.5.0'), 'h:1')).toEqual({});
  // A broker 4.9 answers 0 for a queue that still has its first message.
  expect(queryConsumerOffset.decodeReply(capturedCommand('query-offset-4.9.7'), 'h:1')).toEqual({ offset: 0n });
  expect(() => queryConsumerOffset.decodeReply({ ...blankCommand, code: 26 }, 'h:1')).toThrow(
    expect.objectContaining({ code: 26 }),
  );
});

test('GET_MAX_OFFSET has an offset, always', () => {
  expect(getMaxOffset.decodeReply({ ...blankCommand, extFields: { offset: '0' } }, 'h:1')).toEqual({ offset: 0n });
  expect(() => getMaxOffset.decodeReply(blankCommand, 'h:1')).toThrow('the reply to GET_MAX_OFFSET has no offset');
});
