import { expect, test } from 'vitest';
import { recallMessage } from '../../../src/remoting/requests/recall-message.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

async function start() {
  const clock = new VirtualClock();
  const broker = await startTestEngine({ clock });
  const client = await connectEngine(broker.brokerAddress);
  const delayed = (key: string) =>
    client.send('orders', key, { properties: { TIMER_DELAY_MS: '5000', UNIQ_KEY: key } });
  return { clock, client, delayed };
}

function handleOf(...parts: readonly (string | number)[]): string {
  return Buffer.from(parts.join(' ')).toString('base64url');
}

test('a message can be taken back by the handle of its send until its time has come, more than once', async () => {
  const { clock, client, delayed } = await start();
  const [taken, kept] = [await delayed('taken'), await delayed('kept')];
  const values = { topic: 'orders', recallHandle: taken.recallHandle ?? '' };
  await clock.advance(4_999);
  expect(await client.ask(recallMessage, values)).toEqual({ messageId: 'taken' });
  expect(await client.ask(recallMessage, values)).toEqual({ messageId: 'taken' });
  await clock.advance(2);
  await clock.advance(0);
  expect((await client.pull('orders')).bodies).toEqual(['kept']);
  const late = recallMessage.encode({ topic: 'orders', recallHandle: kept.recallHandle ?? '' });
  expect(await client.invoke(late)).toMatchObject({ code: 604, remark: expect.stringContaining('its time has come') });
});

test('only messages that wait for a time have a handle', async () => {
  const { client } = await start();
  for (const properties of [{}, { DELAY: '1' }, { TIMER_DELAY_MS: '-1' }]) {
    expect((await client.send('orders', 'x', { properties })).recallHandle).toBeUndefined();
  }
});

test.each([
  ['no handle', 'orders', () => 'x', 604],
  ['an empty one', 'orders', () => '', 604],
  ['one of another topic', 'orders', (ms: number) => handleOf('v1', 'bills', 'broker-a', ms, 'k'), 604],
  ['one of another broker', 'orders', (ms: number) => handleOf('v1', 'orders', 'broker-b', ms, 'k'), 604],
  ['one of a message that is not there', 'orders', (ms: number) => handleOf('v1', 'orders', 'broker-a', ms, 'k'), 604],
  ['a topic that is not there', 'nothing', (ms: number) => handleOf('v1', 'nothing', 'broker-a', ms, 'k'), 17],
])('%s is refused', async (_what, topic, handle, code) => {
  const { clock, client, delayed } = await start();
  await delayed('other');
  const recallHandle = handle(clock.now() + 5_000);
  expect(await client.invoke(recallMessage.encode({ topic, recallHandle }))).toMatchObject({ code });
});
