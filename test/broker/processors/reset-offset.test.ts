import { describe, expect, test } from 'vitest';
import { newTopic } from '../../../src/broker/topics.ts';
import { readJson } from '../../../src/remoting/json.ts';
import { resetOffset } from '../../../src/remoting/requests/reset-offset.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

const startMs = 1_700_000_000_000;

/** A group that has read two queues: one with a message each second from the start on, one empty. */
async function start() {
  const clock = new VirtualClock(startMs);
  const { engine, brokerAddress } = await startTestEngine({ clock });
  const client = await connectEngine(brokerAddress);
  await engine.topics.put(newTopic('T', 2), engine.state);
  await engine.groups.getOrCreate('g', engine.state);
  for (const body of ['one', 'two', 'three']) {
    await client.send('T', body);
    await clock.advance(1_000);
  }
  const queue = (queueId: number) => ({ group: 'g', topic: 'T', queueId });
  await engine.offsets.set(queue(0), 2, engine.state);
  const reset = (fields: Partial<Parameters<typeof resetOffset.encode>[0]>) =>
    client.invoke(resetOffset.encode({ topic: 'T', group: 'g', ...fields }));
  return { engine, client, queue, reset };
}

describe('an offset', () => {
  test.each([
    [{ timestamp: 0n }, 0],
    [{ timestamp: BigInt(startMs + 500) }, 1],
    [{ timestamp: BigInt(startMs + 1_000) }, 1],
    [{ timestamp: BigInt(startMs + 60_000) }, 3],
    [{ timestamp: 2n ** 63n - 1n }, 3],
    [{ timestamp: -1n }, 3],
    [{ timestamp: -2n }, 0],
    [{}, 3],
    [{ timestamp: 0n, queueId: -1, offset: 2n }, 0],
  ])('is set in all queues by %o to %i', async (fields, offset) => {
    const { engine, queue, reset } = await start();
    const reply = await reset(fields);
    expect(readJson(reply.body)).toEqual({
      offsetTable: {
        '{"brokerName":"broker-a","queueId":0,"topic":"T"}': offset,
        '{"brokerName":"broker-a","queueId":1,"topic":"T"}': 0,
      },
    });
    expect([engine.offsets.get(queue(0)), engine.offsets.get(queue(1))]).toEqual([offset, 0]);
  });

  test.each([
    [{ queueId: 0, offset: 1n }, 1],
    [{ queueId: 0, offset: 3n }, 3],
    [{ queueId: 0, offset: -1n, timestamp: 0n }, 0],
    [{ queueId: 0, timestamp: 0n }, 0],
  ])('is set in one queue by %o to %i', async (fields, offset) => {
    const { engine, queue, reset } = await start();
    const reply = await reset(fields);
    expect(readJson(reply.body)).toEqual({
      offsetTable: { '{"brokerName":"broker-a","queueId":0,"topic":"T"}': offset },
    });
    expect([engine.offsets.get(queue(0)), engine.offsets.get(queue(1))]).toEqual([offset, undefined]);
  });

  test.each([
    [{ topic: 'unknown' }, 17],
    [{ group: 'unknown' }, 26],
    [{ queueId: 2 }, 29],
    [{ queueId: 0, offset: 4n }, 29],
    [{ queueId: 0, offset: -2n }, 29],
  ])('is not set by %o: %i', async (fields, code) => {
    const { engine, queue, reset } = await start();
    expect((await reset(fields)).code).toBe(code);
    expect(engine.offsets.get(queue(0))).toBe(2);
  });
});

test('the next pull is told where to go on', async () => {
  const { client, reset } = await start();
  await reset({ timestamp: -2n });
  expect(await client.pull('T', { group: 'g', offset: 2 })).toMatchObject({ code: 21, nextBeginOffset: 0 });
  expect(await client.pull('T', { group: 'g', offset: 0 })).toMatchObject({ bodies: ['one', 'two', 'three'] });
});

test('what was popped before is forgotten', async () => {
  const { engine, queue, reset } = await start();
  const popped = { popTimeMs: 1, visibleAtMs: startMs + 60_000, invisibleDurationMs: 60_000, attemptId: '' };
  await engine.pops.pop(queue(0), { ...popped, offsets: [0, 1], reconsumeTimes: [0, 0] });
  expect(engine.pops.inFlightCount('g', 'T')).toBe(2);
  await reset({ timestamp: -1n });
  expect(engine.pops.inFlightCount('g', 'T')).toBe(0);
});
