import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { decodeHeartbeat, heartbeat } from '../../remoting/requests/heartbeat.ts';
import { unregisterClient } from '../../remoting/requests/unregister-client.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { retryTopic } from '../../remoting/topic-names.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import { newTopic } from '../topics.ts';

/** What is said of a client whose requests do not tell its language: commands are read without it. */
const languageUnknown = 'OTHER';

export const heartbeatProcessors: ProcessorTable = [
  [RequestCode.HEART_BEAT, takeHeartbeat],
  [RequestCode.UNREGISTER_CLIENT, unregister],
];

/**
 * The client is in its groups as soon as its heartbeat is read, so that a request to leave them which follows at once is not overtaken
 * by the making of a group. Groups that do not exist, where they are not made by their first consumer, are passed over, as Java does:
 * the consumer hears of it when it pulls.
 */
async function takeHeartbeat(request: Command, connection: ServerConnection, engine: Engine): Promise<Answer> {
  const all = decodeHeartbeat(request);
  const mayMake = engine.options.autoCreateGroups;
  const consumers = all.consumers.filter(({ groupName }) => mayMake || engine.groups.get(groupName) !== undefined);
  const origin = { connection, language: request.language ?? languageUnknown, version: request.version };
  const arrived = engine.clients.register({ ...all, consumers }, origin);
  try {
    await Promise.all(consumers.map(({ groupName }) => prepareGroup(groupName, engine)));
  } catch (error) {
    for (const { groupName } of consumers) {
      if (engine.groups.get(groupName) === undefined)
        engine.clients.leaveConsumers(groupName, all.clientId, connection);
    }
    throw error;
  }
  for (const group of arrived) engine.halves.producerArrived(group);
  // Not said to support heartbeats without subscriptions, clients of 5.x go on to send them. One that was told so by another broker
  // at this address is to send them again.
  return heartbeat.answer(all.withoutSubscriptions ? { needsSubscriptions: true } : {});
}

/** Makes the group and the topic of its retries, where they are not there. @throws RequestRefused; StoreError. */
async function prepareGroup(name: string, engine: Engine): Promise<void> {
  const group = await engine.groups.getOrCreate(name, engine.state);
  await engine.topics.ensure(newTopic(retryTopic(name), group.retryQueueCount), engine.state);
}

/**
 * Takes the client out of the groups, where it is there by this connection. Clients that read in order have ended, or given up, all work
 * by then, so that others need not wait for their locks to end.
 */
function unregister(request: Command, connection: ServerConnection, engine: Engine): Answer {
  const { clientId, producerGroup, consumerGroup } = unregisterClient.decode(request);
  if (producerGroup !== undefined) engine.clients.leaveProducers(producerGroup, clientId, connection);
  if (consumerGroup !== undefined && engine.clients.leaveConsumers(consumerGroup, clientId, connection)) {
    engine.locks.release(consumerGroup, clientId);
  }
  return unregisterClient.answer({});
}
