import { expect, test } from 'vitest';
import { readJson } from '../../../src/remoting/json.ts';
import { getBrokerStats } from '../../../src/remoting/requests/broker-info.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

test('counters are told by their names in RocketMQ', async () => {
  const { engine, brokerAddress } = await startTestEngine();
  const client = await connectEngine(brokerAddress);
  engine.statistics.put('T', 60);
  engine.statistics.got('g', 'T', 6);
  const ask = (statsName: string, statsKey: string) => client.invoke(getBrokerStats.encode({ statsName, statsKey }));
  const item = (sum: number) => ({ avgpt: 0, sum, tps: expect.closeTo(sum / 60, 0) });
  const told = (sum: number) => ({
    statsDay: { ...item(sum), tps: expect.any(Number) },
    statsHour: { ...item(sum), tps: expect.any(Number) },
    statsMinute: item(sum),
  });
  expect(readJson((await ask('TOPIC_PUT_NUMS', 'T')).body)).toEqual(told(60));
  expect(readJson((await ask('GROUP_GET_NUMS', 'T@g')).body)).toEqual(told(6));
  expect(readJson((await ask('BROKER_PUT_NUMS', 'DefaultCluster')).body)).toEqual(told(60));
  expect(readJson((await ask('BROKER_GET_NUMS', 'DefaultCluster')).body)).toEqual(told(6));
  for (const [name, key] of [
    ['TOPIC_PUT_NUMS', 'U'],
    ['GROUP_GET_NUMS', 'T'],
    ['GROUP_GET_NUMS', ''],
    ['BROKER_PUT_NUMS', 'other'],
    ['TOPIC_PUT_SIZE', 'T'],
  ] as const) {
    expect((await ask(name, key)).code).toBe(1);
  }
});
