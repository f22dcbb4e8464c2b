import type { Answer, Command, CommandContent } from '../../remoting/command.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { decodeOffsetMessageId } from '../../remoting/message-id.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { consumeMessageDirectly } from '../../remoting/requests/consume-message-directly.ts';
import { getConsumerRunningInfo } from '../../remoting/requests/consumer-running-info.ts';
import {
  consumerStatusAnswer,
  decodeConsumerStatus,
  getConsumerStatus,
  invokeGetConsumerStatus,
  type QueueStatus,
} from '../../remoting/requests/get-consumer-status.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import type { Member } from '../group-members.ts';
import { RequestRefused } from '../refused.ts';

/** How long a consumer may take to answer what a tool asks (Java `Broker2Client.callClient`). */
const forwardDurationMs = 10_000;

/** How long each member of a group may take where all are asked (Java `Broker2Client.getConsumeStatus`). */
const statusDurationMs = 5_000;

/** What tools ask of a consumer, which only the broker has a connection to (Java `AdminBrokerProcessor.callConsumer`). */
export const clientForwardingProcessors: ProcessorTable = [
  [RequestCode.GET_CONSUMER_RUNNING_INFO, forwardRunningInfo],
  [RequestCode.CONSUME_MESSAGE_DIRECTLY, forwardMessage],
  [RequestCode.INVOKE_BROKER_TO_GET_CONSUMER_STATUS, askStatus],
];

/** Fields are written anew: a signature of the tool's is not the consumer's to see. */
function forwardRunningInfo(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const fields = getConsumerRunningInfo.decode(request);
  return forward(getConsumerRunningInfo.encode(fields), fields, engine);
}

async function forwardMessage(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const fields = consumeMessageDirectly.decode(request);
  const { consumerGroup, clientId = '', messageId, topic } = fields;
  const content = consumeMessageDirectly.encode(
    {
      ...fields,
      brokerName: engine.options.brokerName,
      topicSysFlag: topic === undefined ? undefined : engine.topics.get(topic)?.sysFlag,
      groupSysFlag: engine.groups.get(consumerGroup) === undefined ? undefined : 0,
    },
    messageOf(messageId ?? '', engine),
  );
  return forward(content, { consumerGroup, clientId }, engine);
}

/** The message in the layout in which it is stored. @throws RequestRefused QUERY_NOT_FOUND; RemotingError `malformed`. */
function messageOf(messageId: string, engine: Engine): Buffer {
  const { commitLogOffset } = decodeOffsetMessageId(messageId);
  const record = engine.store.read(Number(commitLogOffset));
  if (record !== undefined) return record;
  throw new RequestRefused(ResponseCode.QUERY_NOT_FOUND, `there is no message ${messageId}`);
}

async function forward(
  content: CommandContent,
  { consumerGroup, clientId }: { readonly consumerGroup: string; readonly clientId: string },
  engine: Engine,
): Promise<Answer> {
  const consumer = `<${consumerGroup.slice(0, 300)}> <${clientId.slice(0, 200)}>`;
  const member = engine.clients.consumer(consumerGroup, clientId);
  if (member === undefined) throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `The Consumer ${consumer} not online`);
  try {
    const { code, remark, extFields, body } = await member.connection.invoke(
      content,
      Deadline.after(forwardDurationMs),
    );
    return { code, extFields, body, ...(remark === undefined ? {} : { remark }) };
  } catch (error) {
    if (!(error instanceof RemotingError) || error.kind === 'malformed') throw error;
    const code = error.kind === 'timeout' ? ResponseCode.CONSUME_MSG_TIMEOUT : ResponseCode.SYSTEM_ERROR;
    throw new RequestRefused(code, `the consumer ${consumer} did not answer: ${error.kind}`);
  }
}

/** Members that do not answer, or cannot, are left out. */
async function askStatus(request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const { topic, group, clientId = '' } = invokeGetConsumerStatus.decode(request);
  const all = engine.clients.consumersOf(group);
  if (all.length === 0) {
    const shown = group.slice(0, 300);
    throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `No Any Consumer online in the consumer group: [${shown}]`);
  }
  const content = getConsumerStatus.encode({ topic, group });
  const asked = clientId === '' ? all : all.filter((member) => member.clientId === clientId);
  const answers = await Promise.all(asked.map((member) => statusOf(member, content)));
  return consumerStatusAnswer(new Map(answers.flatMap((answer) => (answer === undefined ? [] : [answer]))));
}

async function statusOf(
  { clientId, connection }: Member,
  content: CommandContent,
): Promise<[clientId: string, queues: readonly QueueStatus[]] | undefined> {
  try {
    const reply = await connection.invoke(content, Deadline.after(statusDurationMs));
    return [clientId, decodeConsumerStatus(reply, connection.peer)];
  } catch (error) {
    if (error instanceof RemotingError || error instanceof ResponseError) return undefined;
    throw error;
  }
}
