import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { consumerListAnswer, getConsumerList } from '../../remoting/requests/get-consumer-list.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { RequestRefused } from '../refused.ts';

export const consumerListProcessors: ProcessorTable = [[RequestCode.GET_CONSUMER_LIST_BY_GROUP, listConsumers]];

function listConsumers(request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const { consumerGroup } = getConsumerList.decode(request);
  const clientIds = engine.clients.consumersOf(consumerGroup).map(({ clientId }) => clientId);
  if (clientIds.length > 0) return consumerListAnswer(clientIds);
  throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `no consumer for this group, ${consumerGroup.slice(0, 300)}`);
}
