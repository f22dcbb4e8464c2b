import { expect, test } from 'vitest';
import {
  encodeBrokerConfig,
  encodeBrokerStats,
  encodeConfigVersion,
  encodeRuntimeInfo,
  getBrokerConfig,
  getBrokerRuntimeInfo,
  getBrokerStats,
} from '../../../src/remoting/requests/broker-info.ts';

test('have the codes and the fields that Java writes', () => {
  expect([getBrokerConfig.code, getBrokerRuntimeInfo.code]).toEqual([26, 28]);
  expect(getBrokerStats.encode({ statsName: 'TOPIC_PUT_NUMS', statsKey: 'T' })).toEqual({
    code: 315,
    extFields: { statsName: 'TOPIC_PUT_NUMS', statsKey: 'T' },
  });
});

test('bodies are what Java reads', () => {
  expect(encodeRuntimeInfo({ putTps: '1.0' }).toString()).toBe('{"table":{"putTps":"1.0"}}');
  expect(encodeBrokerConfig({ brokerId: 0, brokerName: 'broker-a', on: true }).toString()).toBe(
    'brokerId=0\nbrokerName=broker-a\non=true\n',
  );
  expect(encodeConfigVersion({ counter: 1, timestampMs: 2 })).toBe('{"counter":1,"stateVersion":0,"timestamp":2}');
  const counted = (count: number) => ({ count, perSecond: count / 2 });
  expect(encodeBrokerStats({ minute: counted(1), hour: counted(2), day: counted(4) }).toString()).toBe(
    '{"statsDay":{"avgpt":0,"sum":4,"tps":2},"statsHour":{"avgpt":0,"sum":2,"tps":1},' +
      '"statsMinute":{"avgpt":0,"sum":1,"tps":0.5}}',
  );
});
