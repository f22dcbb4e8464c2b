import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from '../../src/broker/broker.ts';
import { brokerDefaults } from '../../src/broker/options.ts';
import { createTopicOn } from '../rocketmq/cluster.ts';
import { call } from '../rocketmq/wire.ts';
import type { Target, TargetOptions } from './target.ts';

/** The engine in this process, spoken to by its ports only. */
export async function startEmbedded({
  apache: _,
  durable = false,
  logFileBytes,
  ...options
}: TargetOptions): Promise<Target> {
  const dataDirectory = durable ? await mkdtemp(join(tmpdir(), 'behaviour-')) : undefined;
  const segmentBytes = logFileBytes ?? brokerDefaults.segmentBytes;
  const start = (nameServerPort = 0, brokerPort = 0) =>
    startBroker({ ...options, dataDirectory, segmentBytes, nameServerPort, brokerPort });
  let broker = await start();
  const { nameServer, brokerAddress } = broker;
  const { brokerName = brokerDefaults.brokerName, clusterName = brokerDefaults.clusterName } = options;
  const target: Target = {
    nameServer,
    brokerAddress,
    brokerName,
    clusterName,
    logDirectory: join(dataDirectory ?? '', 'commitlog'),
    createTopic: (topic, topicOptions) => createTopicOn(target, topic, topicOptions),
    brokerCall: (code, extFields, body) => call(brokerAddress, { code, ...request(extFields, body) }),
    nameServerCall: (code, extFields, body) => call(nameServer, { code, ...request(extFields, body) }),
    stopBroker: () => broker.close(),
    startBroker: async () => {
      if (!durable) throw new Error('what is in memory only cannot come back: ask for a durable target');
      broker = await start(portOf(nameServer), portOf(brokerAddress));
    },
    stop: async () => {
      await broker.close();
      if (dataDirectory !== undefined) await rm(dataDirectory, { recursive: true });
    },
  };
  return target;
}

function request(extFields: Readonly<Record<string, string>> = {}, body: Uint8Array = new Uint8Array(0)) {
  return { extFields, body };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
