import type { Answer, Command } from '../../remoting/command.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { decodePopReceipt } from '../../remoting/pop-receipt.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { ackMessage } from '../../remoting/requests/ack-message.ts';
import { type AckedRange, answerBatchAck, decodeBatchAck } from '../../remoting/requests/batch-ack-message.ts';
import { changeInvisibleDuration } from '../../remoting/requests/change-invisible-duration.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { isRetryTopic, popRetryTopicV1, popRetryTopicV2 } from '../../remoting/topic-names.ts';
import type { GroupQueue } from '../consumer-offsets.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { type Delivery, expired } from '../pop/pop-queues.ts';
import { invalid, RequestRefused } from '../refused.ts';
import { invisibleDurationMsMax } from './pop.ts';

export const ackProcessors: ProcessorTable = [
  [RequestCode.ACK_MESSAGE, ack],
  [RequestCode.BATCH_ACK_MESSAGE, batchAck],
  [RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME, changeInvisible],
];

async function ack(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { consumerGroup, topic, queueId, offset, extraInfo } = ackMessage.decode(request);
  const queue = checkedQueue({ group: consumerGroup, topic, queueId }, engine);
  const ackedCount = await engine.pops.ack(queue, readDelivery(extraInfo), [Number(offset)]);
  if (ackedCount === 0) throw expired(queue, Number(offset));
  return ackMessage.answer({});
}

/** One that is good for nothing does not spoil the others: it is refused only where none was good. */
async function batchAck(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const ranges = decodeBatchAck(request);
  const counts = await Promise.all(ranges.map((range) => ackRange(range, engine)));
  if (counts.some((count) => count > 0)) return answerBatchAck({});
  throw new RequestRefused(
    ResponseCode.NO_MESSAGE,
    'none of the receipts is good: their time is over, or others replaced them',
  );
}

async function ackRange(range: AckedRange, engine: Engine): Promise<number> {
  const { consumerGroup: group, queueId, popTimeMs, invisibleDurationMs } = range;
  const topic = wireTopic(range);
  const queue = { group, topic: poppedTopic({ group, topic, queueId }, engine), queueId };
  return engine.pops.ack(queue, { popTimeMs, invisibleDurationMs }, range.queueOffsets.map(Number));
}

/** A refusal has the fields of an answer: without them Java clients fail, instead of saying that the receipt is no good. */
async function changeInvisible(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const fields = changeInvisibleDuration.decode(request);
  const { consumerGroup, topic, queueId, offset, extraInfo, invisibleDurationMs } = fields;
  if (invisibleDurationMs > invisibleDurationMsMax) {
    throw invalid(`invisibleTime is at most ${invisibleDurationMsMax} ms, not ${invisibleDurationMs}`);
  }
  const queue = checkedQueue({ group: consumerGroup, topic, queueId }, engine);
  const receipt = readDelivery(extraInfo);
  const { reviveQueueId } = receipt;
  try {
    const delivery = await engine.pops.change(queue, Number(offset), receipt, invisibleDurationMs);
    return changeInvisibleDuration.answer({ ...delivery, reviveQueueId });
  } catch (error) {
    if (!(error instanceof RequestRefused)) throw error;
    const none = { popTimeMs: 0, invisibleDurationMs: 0, reviveQueueId };
    return changeInvisibleDuration.answer(none, { code: error.code, remark: error.message });
  }
}

/** @throws RequestRefused TOPIC_NOT_EXIST or MESSAGE_ILLEGAL. */
function checkedQueue(queue: GroupQueue, engine: Engine): GroupQueue {
  const topic = poppedTopic(queue, engine);
  const { readQueueCount } = engine.topics.require(topic);
  const { group, queueId } = queue;
  if (queueId >= 0 && queueId < readQueueCount) return { group, topic, queueId };
  throw new RequestRefused(ResponseCode.MESSAGE_ILLEGAL, `topic ${topic} has no queue ${queueId} to read from`);
}

/** Receipts of a retry topic make clients name the retry topic of that topic. */
function poppedTopic({ group, topic }: GroupQueue, { topics }: Engine): string {
  const prefix = popRetryTopicV1(group, '');
  if (topics.get(topic) !== undefined || !topic.startsWith(prefix)) return topic;
  const rest = topic.slice(prefix.length);
  return isRetryTopic(rest) ? rest : topic;
}

function wireTopic({ consumerGroup, topic, retry }: AckedRange): string {
  switch (retry) {
    case '0':
      return topic;
    case '1':
      return popRetryTopicV1(consumerGroup, topic);
    case '2':
      return popRetryTopicV2(consumerGroup, topic);
  }
}

/**
 * The Java proxy writes a ninth part behind a receipt (Java `ReceiptHandle`).
 * @throws RemotingError `malformed`.
 */
function readDelivery(extraInfo: string): Delivery & { readonly reviveQueueId: number } {
  const parts = extraInfo.split(' ', 10);
  if (parts.length > 9) throw new RemotingError('malformed', 'a POP receipt has at most nine parts');
  return decodePopReceipt(parts.slice(0, 8).join(' '));
}
