import { join } from 'node:path';
import { memberKeys } from '../rocketmq/access-control.ts';
import { type Config, startRocketMQ } from '../rocketmq/cluster.ts';
import type { Target, TargetOptions } from './target.ts';

/** A real RocketMQ, 5.5.0 unless told otherwise, in JVMs of its own. */
export async function startApache({
  apache,
  version = '5.5.0',
  accessControl = false,
  ...options
}: TargetOptions): Promise<Target> {
  const cluster = await startRocketMQ({ version, accessControl, brokerConfig: { ...configOf(options), ...apache } });
  const { nameServer, brokerAddress, brokerName } = cluster;
  return {
    nameServer,
    brokerAddress,
    brokerName,
    clusterName: options.clusterName ?? 'DefaultCluster',
    credentials: accessControl ? memberKeys : undefined,
    logDirectory: join(cluster.directory, 'store', 'commitlog'),
    createTopic: (topic, topicOptions) => cluster.createTopic(topic, topicOptions),
    brokerCall: (code, extFields, body) => cluster.brokerCall(code, extFields, body),
    nameServerCall: (code, extFields, body) => cluster.nameServerCall(code, extFields, body),
    stopBroker: () => cluster.kill('broker', 'SIGKILL'),
    startBroker: () => cluster.restartBroker(),
    stop: () => cluster.stop(),
  };
}

/** The settings under Apache's names; what is not given stays as the harness has it. */
function configOf(options: Omit<TargetOptions, 'apache' | 'version' | 'accessControl'>): Config {
  const settings = {
    autoCreateTopicEnable: options.autoCreateTopics,
    transactionTimeOut: options.transactionTimeoutMs,
    transactionCheckInterval: options.transactionCheckIntervalMs,
    mappedFileSizeCommitLog: options.logFileBytes,
    brokerName: options.brokerName,
    brokerClusterName: options.clusterName,
  };
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
