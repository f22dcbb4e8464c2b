import { expect, test } from 'vitest';
import { readJson } from '../../../src/remoting/json.ts';
import { getBrokerConfig } from '../../../src/remoting/requests/broker-info.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

async function start(options = {}) {
  const { engine, brokerAddress } = await startTestEngine(options);
  return { engine, client: await connectEngine(brokerAddress) };
}

test('settings are told by their names in RocketMQ', async () => {
  const { engine, client } = await start({
    autoCreateTopics: false,
    delayLevelsMs: [1_500, 90_000, 120_000, 7_200_000],
  });
  const reply = await client.invoke(getBrokerConfig.encode({}));
  const { version } = getBrokerConfig.decodeReply(reply, 'h:1');
  expect(readJson(Buffer.from(version))).toEqual({ counter: 1, stateVersion: 0, timestamp: engine.startedMs });
  const settings = reply.body.toString().split('\n');
  expect(settings).toEqual(
    expect.arrayContaining([
      'brokerName=broker-a',
      'brokerClusterName=DefaultCluster',
      'autoCreateTopicEnable=false',
      'autoCreateSubscriptionGroup=true',
      'flushDiskType=ASYNC_FLUSH',
      'fileReservedTime=72',
      'messageDelayLevel=1.5s 90s 2m 2h',
      'authenticationEnabled=false',
    ]),
  );
  expect(settings.filter((line) => line !== '' && !/^\w+=[^=\\]+$/.test(line))).toEqual([]);
});

test('neither keys nor paths nor addresses are told', async () => {
  const { client } = await start();
  const text = (await client.invoke(getBrokerConfig.encode({}))).body.toString();
  expect(text).not.toMatch(/secret|accessKey|\/|\d+\.\d+\.\d+/i);
});

test.each([25, 318])('the request %i, which would change settings, is not supported', async (code) => {
  const { client } = await start();
  const body = Buffer.from('autoCreateTopicEnable=false');
  expect((await client.invoke({ code, extFields: {}, body })).code).toBe(3);
});
