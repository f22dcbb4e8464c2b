import { expect, onTestFinished, test } from 'vitest';
import { GroupSettings } from '../../../src/client/cluster/group-settings.ts';
import { parseTagFilter } from '../../../src/client/message-filter.ts';
import { DeliveryNumbers } from '../../../src/client/pull/delivery-numbers.ts';
import { LitePullQueue } from '../../../src/client/pull/lite-pull-queue.ts';
import type { OffsetStore } from '../../../src/client/pull/local-offsets.ts';
import { processQueueLimits } from '../../../src/client/pull/pull-options.ts';
import { UnreadBytes } from '../../../src/client/unread-bytes.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';
import { GroupMembers } from '../../support/group-members.ts';

const queue = { topic: 'orders', brokerName: 'broker-a', queueId: 0 };
const soon = () => Deadline.after(10_000);

test('a queue hands out in order, stores what is settled when it changed, and starts anew elsewhere', async () => {
  const engine = await startTestEngine();
  const client = await connectEngine(engine.brokerAddress);
  for (const body of ['a', 'b', 'c', 'd']) await client.send('orders', body);
  const members = new GroupMembers(engine.nameServer);
  onTestFinished(() => members.stop());
  const { cluster, log } = members.start({ clientId: 'me' });
  const stored: bigint[] = [];
  const offsets: OffsetStore = {
    first: async () => 1n,
    store: async () => {},
    move: async (_, offset) => void stored.push(offset),
    forget: () => {},
  };
  let changed = (): void => {};
  const own = new LitePullQueue(
    {
      cluster,
      log,
      groups: new GroupSettings(log),
      deliveryNumbers: new DeliveryNumbers(),
      limits: processQueueLimits,
      requestTimeoutMs: 5_000,
      bodyBytesMax: 4_194_304,
      unreadBytes: new UnreadBytes(Number.POSITIVE_INFINITY),
      persistIntervalMs: 5_000,
    },
    {
      group: 'g',
      queue,
      filter: parseTagFilter('*'),
      version: 1,
      suspendDurationMs: 20_000,
      offsets,
      onChange: () => changed(),
      onRefused: (error) => {
        throw error;
      },
    },
  );
  const take = async (countMax: number): Promise<string[]> => {
    for (;;) {
      const arrived = new Promise<void>((resolve) => {
        changed = resolve;
      });
      const taken = own.take(countMax);
      if (taken.length > 0) return taken.map(({ stored: { body } }) => body.toString());
      await arrived;
    }
  };
  // Where it begins is not known yet.
  await own.commit(soon());
  expect(stored).toEqual([]);
  expect(await take(2)).toEqual(['b', 'c']);
  await own.commit(soon());
  own.settle();
  await own.commit(soon());
  await own.commit(soon());
  expect(stored).toEqual([1n, 3n]);
  own.pause();
  expect(own.take(1)).toEqual([]);
  await own.seek(0n);
  own.resume();
  expect(await take(1)).toEqual(['a']);
  own.settle();
  await own.commit(soon());
  expect(stored).toEqual([1n, 3n, 1n]);
  await own.stop();
});
