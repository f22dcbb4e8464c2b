import type { CommandContent } from '../command.ts';
import { defineRequest } from '../fields.ts';
import { RequestCode } from '../request-code.ts';

const definition = defineRequest({ code: RequestCode.HEART_BEAT, name: 'HEART_BEAT', request: {}, reply: {} });

/** One topic that a group reads. */
export interface Subscription {
  readonly topic: string;
  /** Tags as `a||b`, or `*`. */
  readonly expression: string;
  /** Time of the subscription in ms: brokers take the newest. */
  readonly version: number;
}

export interface ConsumerHeartbeat {
  readonly groupName: string;
  readonly subscriptions: readonly Subscription[];
}

/** Who a client is: it ties the client id and its groups to the connection for 120 s (Java `HeartbeatData`). */
export interface Heartbeat {
  readonly clientId: string;
  readonly producerGroups: readonly string[];
  /** Groups that receive by POP, in clustering mode. */
  readonly consumers: readonly ConsumerHeartbeat[];
}

export function encodeHeartbeat(heartbeat: Heartbeat): CommandContent {
  const body = {
    clientID: heartbeat.clientId,
    producerDataSet: heartbeat.producerGroups.map((groupName) => ({ groupName })),
    consumerDataSet: heartbeat.consumers.map(({ groupName, subscriptions }) => ({
      groupName,
      consumeType: 'CONSUME_POP',
      messageModel: 'CLUSTERING',
      consumeFromWhere: 'CONSUME_FROM_LAST_OFFSET',
      subscriptionDataSet: subscriptions.map(({ topic, expression, version }) => ({
        topic,
        subString: expression,
        tagsSet: [],
        codeSet: [],
        subVersion: version,
        expressionType: 'TAG',
        classFilterMode: false,
      })),
      unitMode: false,
    })),
    heartbeatFingerprint: 0,
    withoutSub: false,
  };
  return definition.encode({}, Buffer.from(JSON.stringify(body)));
}

export const decodeHeartbeatReply = definition.decodeReply;
