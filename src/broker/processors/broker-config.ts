import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { encodeBrokerConfig, encodeConfigVersion, getBrokerConfig } from '../../remoting/requests/broker-info.ts';
import { QueuePermission } from '../../remoting/requests/get-route.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import type { BrokerOptions } from '../options.ts';
import { settingsVersion } from './settings-version.ts';

/** Settings can be read. From the wire they cannot be changed: requests that would are not supported. */
export const brokerConfigProcessors: ProcessorTable = [[RequestCode.GET_BROKER_CONFIG, brokerConfig]];

function brokerConfig(_request: Command, _connection: ServerConnection, engine: Engine): Answer {
  const version = encodeConfigVersion(settingsVersion(engine));
  return getBrokerConfig.answer({ version }, { body: encodeBrokerConfig(settingsOf(engine.options)) });
}

/** By the names of Java's `BrokerConfig` and `MessageStoreConfig`. Neither keys nor paths nor addresses are among them. */
function settingsOf(options: BrokerOptions): Readonly<Record<string, string | number | boolean>> {
  return {
    brokerName: options.brokerName,
    brokerClusterName: options.clusterName,
    brokerId: 0,
    brokerRole: 'ASYNC_MASTER',
    brokerPermission: QueuePermission.READ | QueuePermission.WRITE,
    autoCreateTopicEnable: options.autoCreateTopics,
    autoCreateSubscriptionGroup: options.autoCreateGroups,
    authenticationEnabled: options.accessKeys.length > 0,
    enablePropertyFilter: true,
    flushDiskType: options.flush === 'sync' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH',
    fileReservedTime: Math.round(options.retentionMs / 3_600_000),
    messageDelayLevel: options.delayLevelsMs.map(inWords).join(' '),
    timerWheelEnable: true,
    timerMaxDelaySec: Math.floor(options.delayMsMax / 1_000),
    recallMessageEnable: true,
    transactionTimeOut: options.transactionTimeoutMs,
    transactionCheckMax: options.transactionCheckMax,
    transactionCheckInterval: options.transactionCheckIntervalMs,
    useServerSideResetOffset: true,
  };
}

/** `90s`, `2m`, `1h`: the largest unit that needs no fraction. */
function inWords(durationMs: number): string {
  const units = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  const found = units.find(([, unitMs]) => durationMs % unitMs === 0);
  return found === undefined ? `${durationMs / 1_000}s` : `${durationMs / found[1]}${found[0]}`;
}
