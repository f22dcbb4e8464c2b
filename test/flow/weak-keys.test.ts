import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { unknownKeyReporter } from '../../src/proxy/rpc/reports.ts';
import { Sealer } from '../../src/proxy/session/seal.ts';
import { loadSealKeys, SealKeyError, type SealKeySettings } from '../../src/proxy/session/seal-keys.ts';
import { Row } from '../faults/figures.ts';
import { failureTextOf } from '../support/failure-text.ts';
import { MemoryLog } from '../support/scripted-cluster.ts';
import { clientOf, type ProxyClient, startTestCluster, startTestProxy } from '../support/started-proxy.ts';

const hex = randomBytes(32).toString('hex');
const weak = [
  '',
  ' ',
  'secret',
  '0'.repeat(64),
  'ab'.repeat(32),
  hex.slice(2),
  `${hex}00`,

  `${hex},${hex.slice(2)}`,
];

it('R-64: no weak key is used, and who sets none is warned', () => {
  const settings = { sealKey: undefined, sealKeyFile: undefined, dataDir: 'memory' };
  const texts: string[] = [];
  for (const sealKey of weak) {
    try {
      loadSealKeys({ ...settings, sealKey });
    } catch (error) {
      texts.push(String(error));
    }
  }
  const [one, other] = [loadSealKeys(settings), loadSealKeys(settings)];
  const refused = ['memory', './data'].filter((dataDir) => isRefused({ ...settings, dataDir, peerHost: '10.0.0.1' }));
  new Row('R-64')
    .exactly('starts as one of several instances without a key', 2 - refused.length, 0)
    .tell('keys that are weak or none', weak.length)
    .exactly('of them taken', weak.length - texts.length, 0)
    .exactly('texts that tell the key', texts.filter((text) => text.includes(hex.slice(2, 20))).length, 0)
    .exactly('bytes of the key that is made where none is set', one.keys[0]?.length ?? 0, 32)
    .judge();
  expect(one.warning).toMatch(/random key/);
  expect(one.keys).not.toEqual(other.keys);
});

function isRefused(settings: SealKeySettings): boolean {
  try {
    loadSealKeys(settings);
    return false;
  } catch (error) {
    return error instanceof SealKeyError;
  }
}

it('R-64: instances of different keys are told to the log once, and callers no more than of any bad id', async () => {
  const { cluster } = await startTestCluster();
  const logs = [new MemoryLog(), new MemoryLog()];
  const start = async (log = new MemoryLog()): Promise<ProxyClient> =>
    clientOf((await startTestProxy({ log, sealer: new Sealer([randomBytes(32)], unknownKeyReporter(log)) })).port);
  const [one, other] = [await start(logs[0]), await start(logs[1])];
  const target = { topic: 'topic', endpoint: cluster.nameServer.address };
  const { producerId } = await one.createProducer(target);
  const { consumerId } = await one.createConsumer({ ...target, groupId: 'group' });
  const { consumerId: ownId } = await other.createConsumer({ ...target, groupId: 'group' });
  const answers = new Set<string>();
  for (const id of [producerId, `${producerId}x`, 'x'.repeat(200)])
    answers.add(await failureTextOf(other.sendMessage({ producerId: id, messageBody: 'x' })));
  const ofConsumers = new Set<string>();
  for (const id of [consumerId, `${consumerId}x`, 'x'.repeat(200)])
    ofConsumers.add(await failureTextOf(other.ackMessage({ consumerId: id, receiptHandle: 'x' })));
  const handles = new Set<string>();
  const handle = new Sealer([randomBytes(32)]).seal('receipt', Buffer.from('x'));
  for (const receiptHandle of [handle, `${handle}x`, 'x'.repeat(200)])
    handles.add(await failureTextOf(other.ackMessage({ consumerId: ownId, receiptHandle })));
  const toldCounts = logs.map(({ troubles }) => troubles.filter((text) => text.includes('PROXY_SEAL_KEY')).length);
  new Row('R-64')
    .exactly('answers to ids and handles of another instance, forged and garbage', answers.size + ofConsumers.size, 2)
    .exactly('the same of receipt handles', handles.size, 1)
    .exactly('lines of the log of the instance that got them', toldCounts[1] ?? 0, 1)
    .exactly('lines of the log of the other one', toldCounts[0] ?? 0, 0)
    .judge();
});
