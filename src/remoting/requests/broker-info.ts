import { defineRequest } from '../fields.ts';
import { encodeJson } from '../json-writer.ts';
import { RequestCode } from '../request-code.ts';
import { type DataVersion, writeDataVersion } from './data-version.ts';

/** Asks a broker how it is. */
export const getBrokerRuntimeInfo = defineRequest({
  code: RequestCode.GET_BROKER_RUNTIME_INFO,
  name: 'GET_BROKER_RUNTIME_INFO',
  request: {},
  reply: {},
});

/** The body of the answer (Java `KVTable`). */
export function encodeRuntimeInfo(table: Readonly<Record<string, string>>): Buffer {
  return encodeJson({ table });
}

/** Asks a broker for its settings. */
export const getBrokerConfig = defineRequest({
  code: RequestCode.GET_BROKER_CONFIG,
  name: 'GET_BROKER_CONFIG',
  request: {},
  reply: { version: { kind: 'string' } },
});

/** The settings' version as the answer's header has it. */
export function encodeConfigVersion(version: DataVersion): string {
  return encodeJson(writeDataVersion(version)).toString();
}

/** The body of the answer: Java properties. Values have neither line ends nor backslashes. */
export function encodeBrokerConfig(settings: Readonly<Record<string, string | number | boolean>>): Buffer {
  return Buffer.from(
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
}

/** Asks a broker for one of its counters (Java `ViewBrokerStatsDataRequestHeader`). SYSTEM_ERROR: it has none of this name and key. */
export const getBrokerStats = defineRequest({
  code: RequestCode.VIEW_BROKER_STATS_DATA,
  name: 'VIEW_BROKER_STATS_DATA',
  request: { statsName: { kind: 'string' }, statsKey: { kind: 'string' } },
  reply: {},
});

/** What was counted in some time (Java `BrokerStatsItem`). */
export interface CountedTime {
  readonly count: number;
  readonly perSecond: number;
}

export interface CountedTimes {
  readonly minute: CountedTime;
  readonly hour: CountedTime;
  readonly day: CountedTime;
}

/** The body of the answer (Java `BrokerStatsData`). */
export function encodeBrokerStats({ minute, hour, day }: CountedTimes): Buffer {
  const item = ({ count, perSecond }: CountedTime) => ({ avgpt: 0, sum: count, tps: perSecond });
  return encodeJson({ statsDay: item(day), statsHour: item(hour), statsMinute: item(minute) });
}
