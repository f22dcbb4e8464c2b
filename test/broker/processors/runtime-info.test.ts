import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { BrokerOptions } from '../../../src/broker/options.ts';
import { readJsonObject } from '../../../src/remoting/json.ts';
import { getBrokerRuntimeInfo } from '../../../src/remoting/requests/broker-info.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { connectEngine, startTestEngine } from '../../support/engine-client.ts';

const startMs = 1_700_000_000_000;

async function start(options: Partial<BrokerOptions> = {}) {
  const clock = new VirtualClock(startMs);
  const { engine, brokerAddress } = await startTestEngine({ clock, ...options });
  const client = await connectEngine(brokerAddress);
  const info = async () =>
    readJsonObject((await client.invoke(getBrokerRuntimeInfo.encode({}))).body, 'a table')['table'] as Record<
      string,
      string
    >;
  return { clock, engine, client, info };
}

/** What `mqadmin clusterList` of 4.9 and 5.x reads. */
const readByTools = [
  ...['putTps', 'getTransferedTps', 'getTransferredTps', 'brokerVersionDesc', 'brokerActive', 'pageCacheLockTimeMills'],
  ...['sendThreadPoolQueueSize', 'pullThreadPoolQueueSize', 'ackThreadPoolQueueSize'],
  ...['sendThreadPoolQueueHeadWaitTimeMills', 'pullThreadPoolQueueHeadWaitTimeMills'],
  ...['ackThreadPoolQueueHeadWaitTimeMills', 'earliestMessageTimeStamp', 'commitLogDiskRatio'],
  ...['timerReadBehind', 'timerOffsetBehind', 'timerCongestNum', 'timerEnqueueTps', 'timerDequeueTps'],
  ...['msgPutTotalYesterdayMorning', 'msgPutTotalTodayMorning', 'msgPutTotalTodayNow'],
  ...['msgGetTotalYesterdayMorning', 'msgGetTotalTodayMorning', 'msgGetTotalTodayNow'],
];

test('has all that tools read, in texts', async () => {
  const table = await (await start()).info();
  expect(Object.keys(table)).toEqual(expect.arrayContaining(readByTools));
  expect(Object.values(table).filter((value) => typeof value !== 'string' || value === '')).toEqual([]);
  expect(table['brokerVersionDesc']).toBe('V5_3_1');
});

test('tells how old the engine and its first message are', async () => {
  const { clock, client, info } = await start();
  await clock.advance(1_500);
  expect(await info()).toMatchObject({
    bootTimestamp: String(startMs),
    earliestMessageTimeStamp: String(startMs + 1_500),
    runtime: '[ 0 days, 0 hours, 0 minutes, 1 seconds ]',
  });
  await client.send('T', 'one');
  await clock.advance(((49 * 60 + 2) * 60 + 3) * 1_000);
  await client.send('U', 'two');
  expect(await info()).toMatchObject({
    earliestMessageTimeStamp: String(startMs + 1_500),
    runtime: '[ 2 days, 1 hours, 2 minutes, 4 seconds ]',
  });
});

test('counts messages', async () => {
  const { engine, client, info } = await start();
  for (const body of ['one', 'two']) await client.send('T', body);
  await client.pull('T');
  const table = await info();
  expect(table).toMatchObject({
    msgPutTotalTodayNow: '2',
    msgGetTotalTodayNow: '2',
    commitLogMinOffset: String(engine.store.minCommitLogOffset),
    commitLogMaxOffset: String(engine.store.maxCommitLogOffset),
  });
  for (const rates of ['putTps', 'getFoundTps', 'getMissTps', 'getTotalTps', 'getTransferredTps']) {
    expect(table[rates]).toMatch(/^\d+\.\d{4} \d+\.\d{4} \d+\.\d{4}$/);
  }
  expect(Number(table['putTps']?.split(' ')[0])).toBeGreaterThan(0);
});

test('tells how full the disk is, and names no path', async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'runtime-info-'));
  onTestFinished(() => rmSync(dataDirectory, { recursive: true }));
  const table = await (await start({ dataDirectory })).info();
  expect(Number(table['commitLogDiskRatio'])).toBeGreaterThan(0);
  expect(Number(table['commitLogDiskRatio'])).toBeLessThanOrEqual(1);
  expect(table['commitLogDirCapacity']).toMatch(/^Total : \d+\.\d GiB, Free : \d+\.\d GiB\.$/);
  expect(JSON.stringify(table)).not.toContain('runtime-info');
});
