/** What a broker holds, asked for by the wire and not through `src/`. */
import type { RocketMQCluster } from '../rocketmq/cluster.ts';

type Broker = Pick<RocketMQCluster, 'brokerCall'>;

const PULL_MESSAGE = 11;
const GET_MAX_OFFSET = 30;

/** How many messages each queue of a topic has got. */
export async function queueSizes(broker: Broker, topic: string, queueCount: number): Promise<number[]> {
  const replies = Array.from({ length: queueCount }, (_, queueId) =>
    broker.brokerCall(GET_MAX_OFFSET, { topic, queueId: String(queueId) }),
  );
  return (await Promise.all(replies)).map(({ extFields }) => Number(extFields['offset']));
}

/** The stored messages of one queue, up to 32, as text: properties can be read in it. */
export async function storedText(broker: Broker, topic: string, queueId = 0): Promise<string> {
  const { body } = await broker.brokerCall(PULL_MESSAGE, {
    consumerGroup: 'judge',
    topic,
    queueId: String(queueId),
    queueOffset: '0',
    maxMsgNums: '32',
    // The subscription is in the request.
    sysFlag: '4',
    commitOffset: '0',
    suspendTimeoutMillis: '0',
    subscription: '*',
    subVersion: '0',
    expressionType: 'TAG',
  });
  return body.toString();
}
