import { beforeEach, describe, expect, it } from 'vitest';
import type { ClusterClient } from '../../../src/client/client.ts';
import { CheckedGroups } from '../../../src/client/send/checked-groups.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { encodeStoredMessage } from '../../../src/remoting/stored-message.ts';
import { soon } from '../../support/real-client.ts';
import { routesScript, type ScriptedCluster, storedMessage } from '../../support/scripted-cluster.ts';
import { startTestCluster } from '../../support/started-proxy.ts';

const { CHECK_TRANSACTION_STATE, GET_ROUTEINFO_BY_TOPIC, UNREGISTER_CLIENT } = RequestCode;
const never = new AbortController().signal;

describe('CheckedGroups', () => {
  let cluster: ScriptedCluster;
  let client: ClusterClient;
  let groups: CheckedGroups;

  beforeEach(async () => {
    ({ cluster } = await startTestCluster());
    cluster.nameServer.on(GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: cluster.queues, other: cluster.queues }));
    client = cluster.client();
    groups = new CheckedGroups(cluster.log);
  });

  function ask(topic: string, messageId: string): void {
    const properties = new Map([
      ['UNIQ_KEY', messageId],
      ['PGROUP', 'group'],
    ]);
    cluster.broker.openConnections[0]?.ask({
      code: CHECK_TRANSACTION_STATE,
      extFields: { tranStateTableOffset: '1', commitLogOffset: '10', msgId: messageId },
      body: encodeStoredMessage(storedMessage({ topic, properties })),
    });
  }

  it('joins a group with its first stream and leaves it with its last, whichever topic they are of', async () => {
    const streams = [
      await groups.open(client, 'group', 'topic'),
      await groups.open(client, 'group', 'topic'),
      await groups.open(client, 'group', 'other'),
    ];
    await streams[0]?.reach(soon());
    expect(client.transactionGroups.count).toBe(1);
    expect(streams[0]?.waiting).toBe(streams[1]?.waiting);
    expect(streams[0]?.waiting).not.toBe(streams[2]?.waiting);
    for (const stream of streams.slice(0, 2)) stream.close();
    expect(client.transactionGroups.count).toBe(1);
    streams[2]?.close();
    expect(client.transactionGroups.count).toBe(0);
    await cluster.broker.request(UNREGISTER_CLIENT);
  });

  it('comes back to a group only when it has left it', async () => {
    const first = await groups.open(client, 'group', 'topic');
    await first.reach(soon());
    let hasLeft = false;
    cluster.broker.on(UNREGISTER_CLIENT, async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      hasLeft = true;
      return {};
    });
    first.close();
    const again = await groups.open(client, 'group', 'topic');
    expect(hasLeft).toBe(true);
    expect(client.transactionGroups.count).toBe(1);
    again.close();
  });

  it('hands checks to the streams of their topic, and tells the log of those that nobody receives', async () => {
    const one = await groups.open(client, 'group', 'topic');
    await one.reach(soon());
    ask('other', '1');
    ask('topic', '2');
    expect((await one.waiting.take(never, 30_000))?.half).toMatchObject({ topic: 'topic', messageId: '2' });
    await expect
      .poll(() => cluster.log.lines.map(({ fields }) => fields))
      .toContainEqual({ topic: 'other', messageId: '1' });
    one.close();
  });
});
