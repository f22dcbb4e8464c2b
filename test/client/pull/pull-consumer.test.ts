import { describe, expect, test } from 'vitest';
import type { ConsumeFrom } from '../../../src/client/consume-from.ts';
import { startPullClient } from '../../support/pull-client.ts';
import { soon } from '../../support/real-client.ts';
import { StreamReader } from '../../support/stream-reader.ts';

describe('PullConsumer', () => {
  test.each<[string, (betweenMs: number) => ConsumeFrom, string[]]>([
    ['a time', (timestampMs) => ({ kind: 'timestamp', timestampMs }), ['later', 'after']],
    ['the first message', () => ({ kind: 'first' }), ['early', 'later', 'after']],
  ])('a new group begins with %s', async (_, from, expected) => {
    const { open, send } = await startPullClient();
    await send('topic', 'early');
    await new Promise((resolve) => setTimeout(resolve, 20));
    const betweenMs = Date.now();
    await send('topic', 'later');
    const consumer = await open('g', 'topic', { consumeFrom: from(betweenMs) });
    await send('topic', 'after');
    const reader = StreamReader.acking(consumer);
    await reader.count(expected.length);
    expect([...reader.bodies].sort()).toEqual([...expected].sort());
    await reader.stop();
  });

  test('a stream of one that is not open, or closed, fails; closing twice is closing once', async () => {
    const { client, open } = await startPullClient();
    const consumer = await open('g', 'topic');
    expect(client.consumerCount).toBe(1);
    await Promise.all([consumer.close(), consumer.close()]);
    expect(client.consumerCount).toBe(0);
    await expect(consumer.open(soon())).rejects.toMatchObject({ kind: 'closed' });
    const stream = consumer.stream({ messagesMax: 1, signal: new AbortController().signal });
    await expect(stream.next()).rejects.toMatchObject({ kind: 'closed' });
  });
});
