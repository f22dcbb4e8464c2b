import { expect, test } from 'vitest';
import {
  assignmentAnswer,
  decodeAssignment,
  decodeAssignmentQuery,
  encodeAssignmentQuery,
  type QueueAssignment,
} from '../../../src/remoting/requests/query-assignment.ts';
import { blankCommand } from '../../support/loopback-server.ts';

/** What Java's `QueryAssignmentRequestBody.encode()` writes. */
const javaBody = '{"clientId":"c","consumerGroup":"g","messageModel":"CLUSTERING","strategyName":"AVG","topic":"T"}';
const query = {
  topic: 'T',
  consumerGroup: 'g',
  clientId: 'c',
  strategyName: 'AVG',
  messageModel: 'CLUSTERING',
} as const;

function reply(body: Uint8Array | string | undefined) {
  return { ...blankCommand, body: Buffer.from(body ?? '') };
}

test('asks as Java does', () => {
  const { code, body } = encodeAssignmentQuery(query);
  expect([code, JSON.parse(Buffer.from(body ?? []).toString())]).toEqual([400, JSON.parse(javaBody)]);
  expect(decodeAssignmentQuery(reply(javaBody))).toEqual(query);
  expect(() => decodeAssignmentQuery(reply('{"topic":"T"}'))).toThrow(expect.objectContaining({ kind: 'malformed' }));
});

test('answers as Java does, also that it cannot say', () => {
  const assignments: QueueAssignment[] = [{ queue: { topic: 'T', brokerName: 'b', queueId: -1 }, mode: 'POP' }];
  const javaReply =
    '{"messageQueueAssignments":[{"messageQueue":{"brokerName":"b","queueId":-1,"topic":"T"},"mode":"POP"}]}';
  const { body } = assignmentAnswer(assignments);
  expect(JSON.parse(Buffer.from(body ?? []).toString())).toEqual(JSON.parse(javaReply));
  expect(decodeAssignment(reply(javaReply), 'h:1')).toEqual(assignments);
  expect(assignmentAnswer(undefined).body).toEqual(Buffer.from('{}'));
  expect(decodeAssignment(reply('{}'), 'h:1')).toBeUndefined();
  expect(decodeAssignment(reply(assignmentAnswer([]).body), 'h:1')).toEqual([]);
  expect(() => decodeAssignment(reply('{"messageQueueAssignments":[{}]}'), 'h:1')).toThrow('no queue');
});
