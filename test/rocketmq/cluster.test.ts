import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startRocketMQ } from './cluster.ts';
import { rocketmqVersions, skipRocketMQ } from './java.ts';
import { isPortFree } from './ports.ts';

const GET_ROUTEINFO_BY_TOPIC = 105;
const GET_BROKER_CLUSTER_INFO = 106;
const SEND_MESSAGE_V2 = 310;
const GET_MAX_OFFSET = 30;

/** Ordinals of `MQVersion.java`, which every reply carries. */
const serverVersions = { '5.5.0': 513, '4.9.7': 407 };

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function sendFields(topic: string): Record<string, string> {
  const born = String(Date.now());
  return {
    a: 'PID',
    b: topic,
    c: 'TBW102',
    d: '4',
    e: '0',
    f: '0',
    g: born,
    h: '0',
    i: '',
    j: '0',
    k: 'false',
    m: 'false',
  };
}

describe.skipIf(skipRocketMQ())('real RocketMQ', () => {
  for (const version of rocketmqVersions) {
    test(`${version} registers, stores, survives a crash, and leaves nothing behind`, async () => {
      const cluster = await startRocketMQ({ version });
      try {
        const info = await cluster.nameServerCall(GET_BROKER_CLUSTER_INFO);
        expect(info.version).toBe(serverVersions[version]);
        expect(info.body.toString()).toContain(`"${cluster.brokerAddress}"`);

        await cluster.createTopic('harness', { queueCount: 2 });
        const route = await cluster.nameServerCall(GET_ROUTEINFO_BY_TOPIC, { topic: 'harness' });
        expect(JSON.parse(route.body.toString()).queueDatas).toMatchObject([{ readQueueNums: 2, writeQueueNums: 2 }]);

        const sent = await cluster.brokerCall(SEND_MESSAGE_V2, sendFields('harness'), Buffer.from('hello'));
        expect(sent).toMatchObject({ code: 0, extFields: { queueId: '0', queueOffset: '0' } });

        const brokerBefore = cluster.pids.broker;
        await cluster.kill('broker', 'SIGKILL');
        expect(isAlive(brokerBefore)).toBe(false);
        await cluster.restartBroker();
        const max = await cluster.brokerCall(GET_MAX_OFFSET, { topic: 'harness', queueId: '0' });
        expect(max).toMatchObject({ code: 0, extFields: { offset: '1' } });
      } finally {
        await cluster.stop();
      }
      const ports = [cluster.nameServer, cluster.brokerAddress].map((address) => Number(address.split(':')[1]));
      expect(await Promise.all(ports.map(isPortFree))).toEqual([true, true]);
      expect([cluster.pids.nameServer, cluster.pids.broker].map(isAlive)).toEqual([false, false]);
      expect(existsSync(cluster.directory)).toBe(false);
    });
  }

  test('a broker that cannot start fails with its own words', async () => {
    const failure = startRocketMQ({ brokerConfig: { namesrvAddr: 'not an address' } });
    await expect(failure).rejects.toThrow(/the broker ended with 253[\s\S]*not an address/);
  });
});
