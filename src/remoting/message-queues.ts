import { integer, listOfObjects, requiredText } from './body-fields.ts';
import type { JsonObject } from './json.ts';
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
