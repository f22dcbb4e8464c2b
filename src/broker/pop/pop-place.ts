import { QueuePermission } from '../../remoting/requests/get-route.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { Groups } from '../groups.ts';
import { invalid, RequestRefused } from '../refused.ts';
import type { StateLog } from '../state-log.ts';
import type { Topics } from '../topics.ts';
import type { PopPlace } from './take-messages.ts';

/** Most characters of an attempt's name: Java clients take a UUID. */
export const attemptIdLengthMax = 128;

/** Where a request wants messages from, in its own words. */
export interface WantedPlace {
  readonly consumerGroup: string;
  readonly topic: string;
  readonly queueId: number;
  readonly order?: boolean | undefined;
  readonly attemptId?: string | undefined;
}

export interface PopPlaceParts {
  readonly topics: Topics;
  readonly groups: Groups;
  readonly state: StateLog;
}

/**
 * The place, where the group may read it. A group that does not exist is made, where groups may be.
 * @throws RequestRefused TOPIC_NOT_EXIST, NO_PERMISSION, INVALID_PARAMETER, SUBSCRIPTION_GROUP_NOT_EXIST; StoreError.
 */
export async function readablePlace(wanted: WantedPlace, parts: PopPlaceParts): Promise<PopPlace> {
  const { consumerGroup: group, topic, queueId, order = false, attemptId = '' } = wanted;
  const { permission, readQueueCount } = parts.topics.require(topic);
  if ((permission & QueuePermission.READ) === 0) throw forbidden(group, topic);
  if (queueId >= readQueueCount) {
    throw invalid(`topic ${topic} has queues 0 to ${readQueueCount - 1} to read from, no queue ${queueId}`);
  }
  if (attemptId.length > attemptIdLengthMax) {
    throw invalid(`attemptId has ${attemptId.length} characters; at most ${attemptIdLengthMax} are allowed`);
  }
  const { consumeEnable } = parts.groups.get(group) ?? (await parts.groups.getOrCreate(group, parts.state));
  if (!consumeEnable) throw forbidden(group, topic);
  return { group, topic, queueId, order, attemptId };
}

function forbidden(group: string, topic: string): RequestRefused {
  return new RequestRefused(ResponseCode.NO_PERMISSION, `group ${group} may not read topic ${topic}`);
}
