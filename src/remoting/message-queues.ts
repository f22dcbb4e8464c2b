import { integer, listOfObjects, requiredText } from './body-fields.ts';
import { RemotingError } from './errors.ts';
import { isJsonObject, type Json, type JsonObject, readJsonObject } from './json.ts';
import type { MessageQueue } from './message.ts';

/** Most queues that one body may name: a topic has 1,024 at most, and a client reads few topics. */
export const queueListCountMax = 16_384;

/**
 * The queues of a body's field (Java `MessageQueue`).
 * @throws RemotingError `malformed`, naming the field.
 */
export function readMessageQueues(body: JsonObject, name: string): readonly MessageQueue[] {
  return listOfObjects(body, name, queueListCountMax).map(readMessageQueue);
}

/** @throws RemotingError `malformed`, naming the field. */
export function readMessageQueue(value: JsonObject): MessageQueue {
  return {
    topic: requiredText(value, 'topic'),
    brokerName: requiredText(value, 'brokerName'),
    queueId: integer(value, 'queueId', 0),
  };
}

/**
 * A table of a body whose keys are queues, as Java's fastjson writes it; empty where there is none.
 * @throws RemotingError `malformed`, naming the field.
 */
export function readQueueTable(body: JsonObject, name: string): readonly (readonly [MessageQueue, Json])[] {
  const table = body[name] ?? {};
  if (!isJsonObject(table)) throw new RemotingError('malformed', `the field ${name} of a body is not an object`);
  const rows = Object.entries(table);
  if (rows.length > queueListCountMax) {
    throw new RemotingError('malformed', `the field ${name} of a body has more than ${queueListCountMax} queues`);
  }
  return rows.map(([key, value]) => [readMessageQueue(readJsonObject(Buffer.from(key), 'a queue')), value ?? null]);
}
