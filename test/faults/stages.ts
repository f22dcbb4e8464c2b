import { onTestFinished } from 'vitest';
import { createTopicOn, type RocketMQCluster } from '../rocketmq/cluster.ts';
import { call } from '../rocketmq/wire.ts';
import { startTestEngine } from '../support/engine-client.ts';
import { RealClients } from '../support/real-client.ts';
import type { Way } from './ways.ts';

/** Where receivers are hurt: a broker, and the way by which they receive from it. */
export interface Stage {
  /** Tells it from others in the table. */
  readonly title: string;
  readonly way: Way;
  readonly nameServer: string;
  readonly broker: Pick<RocketMQCluster, 'brokerAddress' | 'brokerCall'>;
  /** Closed with the test. */
  readonly clients: RealClients;
  /** Makes a topic of 4 queues; it is in routes afterwards. */
  createTopic(topic: string): Promise<void>;
}

/** On a real broker. @param note how it is set up, where that matters. */
export function stageOn(cluster: RocketMQCluster, way: Way, note = ''): Stage {
  return {
    title: `${cluster.version} ${way} ${note}`.trim(),
    way,
    nameServer: cluster.nameServer,
    broker: cluster,
    clients: clientsOf(cluster.nameServer),
    createTopic: (topic) => cluster.createTopic(topic),
  };
}

/** On an engine of its own. */
export async function stageOnEngine(way: Way): Promise<Stage> {
  const { brokerAddress, nameServer } = await startTestEngine();
  const brokerCall: RocketMQCluster['brokerCall'] = (code, extFields = {}, body = new Uint8Array(0)) =>
    call(brokerAddress, { code, extFields, body });
  return {
    title: `engine ${way}`,
    way,
    nameServer,
    broker: { brokerAddress, brokerCall },
    clients: clientsOf(nameServer),
    createTopic: (topic) => createTopicOn({ brokerCall }, topic),
  };
}

function clientsOf(nameServer: string): RealClients {
  const clients = new RealClients(nameServer);
  onTestFinished(() => clients.close());
  return clients;
}
