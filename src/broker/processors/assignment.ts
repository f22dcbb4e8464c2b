import type { Answer, Command } from '../../remoting/command.ts';
import type { MessageQueue } from '../../remoting/message.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { QueuePermission } from '../../remoting/requests/get-route.ts';
import {
  type AssignmentQuery,
  assignmentAnswer,
  decodeAssignmentQuery,
} from '../../remoting/requests/query-assignment.ts';
import {
  decodeMessageRequestMode,
  type MessageRequestModeSetting,
  setMessageRequestMode,
} from '../../remoting/requests/set-message-request-mode.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { isRetryTopic } from '../../remoting/topic-names.ts';
import { allocate, allocateForPop } from '../assignment.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { RequestRefused } from '../refused.ts';

export const assignmentProcessors: ProcessorTable = [
  [RequestCode.QUERY_ASSIGNMENT, assign],
  [RequestCode.SET_MESSAGE_REQUEST_MODE, setMode],
];

function assign(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const query = decodeAssignmentQuery(request);
  const { topic, consumerGroup } = query;
  // Unless somebody has said otherwise queues are pulled from (Java `BrokerConfig.defaultMessageRequestMode`).
  const setting = engine.requestModes.get(topic, consumerGroup) ?? { mode: 'PULL', popShareQueueCount: 0 };
  const queues = queuesOfClient(query, setting, engine);
  return assignmentAnswer(queues?.map((queue) => ({ queue, mode: setting.mode })));
}

/** Java `QueryAssignmentProcessor.doLoadBalance`. Undefined: it cannot be said, and the client is to keep what it has. */
function queuesOfClient(
  { topic, consumerGroup, clientId, strategyName, messageModel }: AssignmentQuery,
  { mode, popShareQueueCount }: Pick<MessageRequestModeSetting, 'mode' | 'popShareQueueCount'>,
  engine: Engine,
): readonly MessageQueue[] | undefined {
  const queues = readableQueues(topic, engine);
  if (queues.length === 0) return undefined;
  if (messageModel === 'BROADCASTING') return queues;
  const clientIds = engine.clients.consumersOf(consumerGroup).map((member) => member.clientId);
  if (clientIds.length === 0) return undefined;
  const sharing = { queues, clientIds, clientId, strategyName };
  return mode === 'POP' ? allocateForPop(sharing, popShareQueueCount) : allocate(sharing);
}

function readableQueues(topic: string, { topics, options }: Engine): readonly MessageQueue[] {
  const { permission = 0, readQueueCount = 0 } = topics.get(topic) ?? {};
  if ((permission & QueuePermission.READ) === 0) return [];
  const { brokerName } = options;
  return Array.from({ length: readQueueCount }, (_, queueId) => ({ topic, brokerName, queueId }));
}

async function setMode(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const setting = decodeMessageRequestMode(request);
  if (isRetryTopic(setting.topic)) {
    throw new RequestRefused(ResponseCode.NO_PERMISSION, 'the mode of a retry topic cannot be set: it is pulled from');
  }
  engine.topics.require(setting.topic);
  await engine.groups.getOrCreate(setting.consumerGroup, engine.state);
  await engine.requestModes.put(setting, engine.state);
  return setMessageRequestMode.answer({});
}
