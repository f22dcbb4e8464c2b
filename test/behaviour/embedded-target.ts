import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from '../../src/broker/broker.ts';
import { brokerDefaults } from '../../src/broker/options.ts';
import { adminKeys, memberKeys, signed } from '../rocketmq/access-control.ts';
import { createTopicOn } from '../rocketmq/cluster.ts';
import { call, type WireReply } from '../rocketmq/wire.ts';
import type { Target, TargetOptions } from './target.ts';

const accessKeys = [adminKeys, memberKeys];

/** The engine in this process, spoken to by its ports only. */
export async function startEmbedded({
  apache: _,
  version: _version,
  accessControl = false,
  durable = false,
  logFileBytes,
  ...options
}: TargetOptions): Promise<Target> {
  const dataDirectory = durable ? await mkdtemp(join(tmpdir(), 'behaviour-')) : undefined;
  const segmentBytes = logFileBytes ?? brokerDefaults.segmentBytes;
  const start = (nameServerPort = 0, brokerPort = 0) =>
    startBroker({
      ...options,
      accessKeys: accessControl ? accessKeys : [],
      dataDirectory,
      segmentBytes,
      nameServerPort,
      brokerPort,
    });
  let broker = await start();
  const { nameServer, brokerAddress } = broker;
  const { brokerName = brokerDefaults.brokerName, clusterName = brokerDefaults.clusterName } = options;
  const ask = (address: string, code: number, extFields = {}, body?: Uint8Array): Promise<WireReply> => {
    const request = { code, extFields, ...(body === undefined ? {} : { body }) };
    return call(address, accessControl ? signed(request, adminKeys) : request);
  };
  const target: Target = {
    nameServer,
    brokerAddress,
    brokerName,
    clusterName,
    credentials: accessControl ? memberKeys : undefined,
    logDirectory: join(dataDirectory ?? '', 'commitlog'),
    createTopic: (topic, topicOptions) => createTopicOn(target, topic, topicOptions),
    brokerCall: (code, extFields, body) => ask(brokerAddress, code, extFields, body),
    nameServerCall: (code, extFields, body) => ask(nameServer, code, extFields, body),
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

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}
