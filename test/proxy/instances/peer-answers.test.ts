import { beforeEach, describe, expect, it } from 'vitest';
import { createPeerAnswers, type PeerAnswers } from '../../../src/proxy/instances/peer-answers.ts';
import { openAnswer, type PeerQuestion, sealQuestion } from '../../../src/proxy/instances/peer-messages.ts';
import { Sealer } from '../../../src/proxy/session/seal.ts';
import type { PopReceipt } from '../../../src/remoting/pop-receipt.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { proxyParts } from '../../support/proxy-parts.ts';
import type { ScriptedCluster } from '../../support/scripted-cluster.ts';
import { startTestCluster, testSealKey } from '../../support/started-proxy.ts';

const sealer = new Sealer([testSealKey]);

describe('the answer to another instance', () => {
  let cluster: ScriptedCluster;
  let answer: PeerAnswers;
  let consumerId: string;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    const { sessions } = proxyParts(cluster);
    const target = { endpoint: cluster.nameServer.address, accessKeyId: '', accessKeySecret: '', owner: 'alice' };
    const session = sessions.prepareConsumer({ ...target, topic: 'topic', group: 'g', tagExpression: '*' });
    consumerId = sessions.register(session);
    answer = createPeerAnswers(sealer, sessions, 30_000);
  });

  const receipt: PopReceipt = {
    startOffset: 0n,
    popTimeMs: Date.now(),
    invisibleDurationMs: 600_000,
    reviveQueueId: 0,
    retry: '0',
    brokerName: 'broker-a',
    queueId: 0,
    queueOffset: 7n,
  };

  async function outcomesOf(changes: Partial<PeerQuestion>) {
    const settlements = [{ kind: 'nack', receipt, durationMs: 5 }] as const;
    const question = { nonce: 'n', callerName: 'alice', consumerId, timeoutMs: 30_000, settlements, ...changes };
    return openAnswer(sealer, await answer(sealQuestion(sealer, question)), question);
  }

  it('tells that it is done', async () => {
    expect(await outcomesOf({})).toEqual([{ receipt: undefined }]);
    const { extFields } = await cluster.broker.request(RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME);
    expect(extFields).toMatchObject({ offset: '7', invisibleTime: '5' });
  });

  it.each([
    ['an id that is unknown', { consumerId: 'x' }],
    ['another caller than the one who made the id', { callerName: 'mallory' }],
  ])('tells of %s', async (_, changes) => {
    expect(await outcomesOf(changes)).toEqual([
      { failure: expect.objectContaining({ rawMessage: expect.stringContaining('consumer_id is unknown here') }) },
    ]);
    expect(cluster.broker.requests(RequestCode.CHANGE_MESSAGE_INVISIBLE_TIME)).toHaveLength(0);
  });
});
