import { randomBytes } from 'node:crypto';
import { Code, ConnectError } from '@connectrpc/connect';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { Row } from '../faults/figures.ts';
import type { ScriptedCluster } from '../support/scripted-cluster.ts';
import { SettingFolder } from '../support/setting-files.ts';
import { type StartedInstance, startTestInstance } from '../support/started-instance.ts';
import { startTestCluster } from '../support/started-proxy.ts';

const used = 'what stands in them now is in use';
const notUsed = 'files of these settings have changed and are not used';

function hexKey(): string {
  return randomBytes(32).toString('hex');
}

describe('keys in a file that all instances share', { timeout: 60_000 }, () => {
  let cluster: ScriptedCluster;
  let folder: SettingFolder;
  let sealKeyFile: string;
  let instances: StartedInstance[];
  const [oldKey, newKey] = [hexKey(), hexKey()];

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    folder = new SettingFolder();
    sealKeyFile = folder.write('keys', oldKey);
    // The first one looks by itself, the other one when it is told.
    const start = (fileCheckIntervalMs: number): Promise<StartedInstance> =>
      startTestInstance({ sealer: new Sealer([randomBytes(32)]), sealKeyFile, fileCheckIntervalMs });
    instances = [await start(10), await start(3_600_000)];
  });

  /** Resolves when all instances have said so once more, one after the other. */
  async function rotate(content: string, said = used): Promise<void> {
    const saidCount = ({ log }: StartedInstance): number =>
      log.lines.filter(({ message }) => message.includes(said)).length;
    const before = instances.map(saidCount);
    folder.write('keys', content);
    for (const [index, instance] of instances.entries()) {
      if (index > 0) instance.proxy.checkFiles();
      await expect.poll(() => saidCount(instance), { timeout: 15_000, interval: 10 }).toBe((before[index] ?? 0) + 1);
    }
  }

  it('rotate without a failed call: first the new one opens, then it seals, then the old one goes', async () => {
    const request = { endpoint: cluster.nameServer.address, topic: 'topic' };
    const failures: unknown[] = [];
    let callCount = 0;
    let goesOn = true;
    let producerIds = await Promise.all(
      instances.map(async ({ client }) => (await client.createProducer(request)).producerId),
    );
    const lasting = producerIds[0] ?? '';
    const { producerId: unknown = '' } = (await instances[0]?.client.createProducer(request)) ?? {};
    const load = (async () => {
      while (goesOn) {
        const fresh = await Promise.all(instances.map(({ client }) => client.createProducer(request)));
        producerIds = [lasting, ...fresh.map(({ producerId }) => producerId)];
        const calls = instances.flatMap(({ client }) =>
          producerIds.map((producerId) => client.sendMessage({ producerId, messageBody: 'x' })),
        );
        callCount += calls.length;
        await Promise.all(calls.map((call) => call.catch((error: unknown) => failures.push(error))));
      }
    })();
    onTestFinished(() => {
      goesOn = false;
    });
    await rotate(`${oldKey}\n${newKey}`);
    await rotate(`${newKey}\n${oldKey}`);
    const before = callCount;
    await expect.poll(() => callCount, { timeout: 15_000 }).toBeGreaterThan(before + 6);
    goesOn = false;
    await load;
    new Row('R-63')
      .tell('calls of two instances while they rotate', callCount)
      .exactly('of them failed', failures.length, 0)
      .judge();
    await rotate(newKey);
    const [one, other] = instances;
    for (const instance of instances) {
      const { client } = instance;
      expect((await client.sendMessage({ producerId: producerIds[1] ?? '', messageBody: 'x' })).success).toBe(true);
      expect((await client.sendMessage({ producerId: lasting, messageBody: 'x' })).success).toBe(true);
    }
    // Who remembers an id needs no key for it.
    expect((await one?.client.sendMessage({ producerId: unknown, messageBody: 'x' }))?.success).toBe(true);
    const refused = await other?.client.sendMessage({ producerId: unknown, messageBody: 'x' }).catch(ConnectError.from);
    expect(refused).toMatchObject({ code: Code.NotFound });
  });

  it('stay as they are where what stands there now is no key', async () => {
    const [{ client } = expect.fail('there are instances')] = instances;
    const { producerId } = await client.createProducer({ endpoint: cluster.nameServer.address, topic: 'topic' });
    await rotate('no key', notUsed);
    expect((await client.sendMessage({ producerId, messageBody: 'x' })).success).toBe(true);
    const told = instances.flatMap(({ log }) =>
      log.lines.map(({ fields }) => ('err' in fields ? String(fields.err) : '')),
    );
    expect(told.join()).toMatch(/PROXY_SEAL_KEY_FILE is malformed: a key is 32 random bytes/);
    expect(told.join()).not.toContain('no key');
  });
});
