import { expect, test } from 'vitest';
import {
  decodeLockedQueues,
  decodeQueueBatch,
  encodeLockBatch,
  encodeUnlockBatch,
  lockedQueuesAnswer,
} from '../../../src/remoting/requests/lock-batch.ts';
import { capturedCommand } from '../../support/captured-command.ts';
import { blankCommand } from '../../support/loopback-server.ts';

const batch = { consumerGroup: 'g', clientId: 'c', queues: [{ topic: 'T', brokerName: 'b', queueId: 1 }] };
/** What Java's `LockBatchRequestBody.encode()` writes. */
const javaBody =
  '{"clientId":"c","consumerGroup":"g","mqSet":[{"brokerName":"b","queueId":1,"topic":"T"}],"onlyThisBroker":false}';

test('both requests say what Java says', () => {
  const contents = [encodeLockBatch(batch), encodeUnlockBatch(batch)];
  expect(contents.map(({ code }) => code)).toEqual([41, 42]);
  for (const { body } of contents) expect(JSON.parse(Buffer.from(body ?? []).toString())).toEqual(JSON.parse(javaBody));
});

test('a broker reads what Java writes, and refuses the rest', () => {
  expect(decodeQueueBatch({ ...blankCommand, body: Buffer.from(javaBody) })).toEqual(batch);
  for (const body of ['', '[]', '{}', '{"consumerGroup":"g"}', '{"consumerGroup":"g","clientId":"c","mqSet":5}']) {
    expect(() => decodeQueueBatch({ ...blankCommand, body: Buffer.from(body) })).toThrow(
      expect.objectContaining({ kind: 'malformed' }),
    );
  }
});

test.each(['4.9.7', '5.5.0'])('answers as a broker %s does', (version) => {
  const captured = capturedCommand(`lock-batch-${version}`);
  const queues = decodeLockedQueues(captured, 'h:1');
  expect(queues).toEqual([{ topic: 'fixture-pull', brokerName: 'broker-a', queueId: 0 }]);
  const { code, body } = lockedQueuesAnswer(queues);
  expect([code, JSON.parse(Buffer.from(body ?? []).toString())]).toEqual([0, JSON.parse(captured.body.toString())]);
});
