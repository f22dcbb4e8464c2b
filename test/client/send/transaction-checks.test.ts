import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TransactionCheck } from '../../../src/client/send/transaction-checks.ts';
import { compressBody } from '../../../src/remoting/compression.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { encodeStoredMessage, type StoredMessage } from '../../../src/remoting/stored-message.ts';
import { Changes } from '../../support/changes.ts';
import { soon } from '../../support/real-client.ts';
import { type ScriptedCluster, startScriptedCluster, storedMessage } from '../../support/scripted-cluster.ts';

const { CHECK_TRANSACTION_STATE, END_TRANSACTION, HEART_BEAT, UNREGISTER_CLIENT } = RequestCode;

describe('checks of a group that others know the ends of', () => {
  let cluster: ScriptedCluster;
  let checks: TransactionCheck[];
  let changes: Changes;

  beforeEach(async () => {
    cluster = await startScriptedCluster(2);
    checks = [];
    changes = new Changes();
  });

  afterEach(() => cluster.stop());

  const half = (more: Partial<StoredMessage> = {}): StoredMessage =>
    storedMessage({
      properties: new Map([
        ['UNIQ_KEY', 'ID-1'],
        ['PGROUP', 'orders'],
        ['TAGS', 'tag'],
      ]),
      ...more,
    });

  function ask(brokerIndex: number, body: Buffer, more: Readonly<Record<string, string>> = {}): void {
    cluster.brokers[brokerIndex]?.openConnections[0]?.ask({
      code: CHECK_TRANSACTION_STATE,
      extFields: { tranStateTableOffset: '8', commitLogOffset: '800', msgId: 'ID-1', ...more },
      body,
    });
  }

  async function listen() {
    const client = cluster.client();
    const group = client.transactionGroups.listen('orders', (check) => {
      checks.push(check);
      changes.notify();
    });
    await group.reach('topic', soon());
    return { client, group };
  }

  const arrived = (count: number) =>
    changes.until(
      () => (checks.length >= count ? true : undefined),
      30_000,
      () => 'no check came',
    );

  test('reach every broker of the topic, and say which one asks about which copy', async () => {
    await listen();
    ask(1, encodeStoredMessage(half()), { transactionId: 'T-1' });
    await arrived(1);
    expect(checks).toMatchObject([
      {
        half: {
          topic: 'topic',
          brokerName: 'broker-b',
          queueOffset: 8n,
          commitLogOffset: 800n,
          messageId: 'ID-1',
          transactionId: 'T-1',
          producerGroup: 'orders',
          bornTimestampMs: 1_700_000_000_000,
          isChecked: true,
        },
        tag: 'tag',
      },
    ]);
    expect(checks[0]?.body.toString()).toBe('body');
    ask(0, encodeStoredMessage(half()));
    await arrived(2);
    expect(checks[1]?.half).toMatchObject({ brokerName: 'broker-a', transactionId: 'ID-1' });
  });

  test('come with their bodies unfolded; what cannot be read is told to the log', async () => {
    await listen();
    const { body, sysFlag } = await compressBody(Buffer.from('x'.repeat(10_000)), 'zlib');
    const trouble = cluster.log.trouble();
    ask(0, encodeStoredMessage(half({ body: Buffer.from('no zlib'), sysFlag })));
    expect(await trouble).toContain('cannot be read');
    ask(0, encodeStoredMessage(half({ properties: new Map([['PGROUP', 'orders']]) })));
    ask(0, encodeStoredMessage(half({ body, sysFlag })));
    await arrived(1);
    expect(checks.map((check) => check.body.length)).toEqual([10_000]);
  });

  test('end when the group is left: nobody here answers for it then, not even the client itself', async () => {
    const { client, group } = await listen();
    expect(client.transactionGroups.count).toBe(1);
    expect(() => client.transactionGroups.listen('orders', () => {})).toThrow('is a member');
    await group.leave();
    expect(client.transactionGroups.count).toBe(0);
    for (const broker of cluster.brokers) {
      expect(broker.requests(UNREGISTER_CLIENT).map(({ extFields }) => extFields['producerGroup'])).toEqual(['orders']);
    }
    ask(0, encodeStoredMessage(half()));
    // An answer to what was asked before this one would have come before its heartbeat.
    const again = client.transactionGroups.listen('others', () => {});
    await again.reach('topic', soon());
    await cluster.broker.until(() =>
      cluster.broker.requests(HEART_BEAT).some(({ body }) => body.toString().includes('others')),
    );
    expect(checks).toEqual([]);
    expect(cluster.broker.requests(END_TRANSACTION)).toEqual([]);
  });

  test('reach nobody where no broker is up', async () => {
    const { group } = await listen();
    await Promise.all(cluster.brokers.map((broker) => broker.stop()));
    // It may take the client a moment to notice.
    const outcome = () => group.reach('topic', soon()).then(String, ({ kind }) => kind);
    await expect.poll(outcome, { timeout: 10_000 }).toBe('connect');
    await expect(group.reach('unknown', soon())).rejects.toMatchObject({ kind: 'noRoute' });
  });
});
