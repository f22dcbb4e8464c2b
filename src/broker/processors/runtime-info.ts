import { statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { encodeRuntimeInfo, getBrokerRuntimeInfo } from '../../remoting/requests/broker-info.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import { claimedVersion, ProtocolVersion } from '../../remoting/version.ts';
import type { Engine, ProcessorTable } from '../engine.ts';
import type { PerSecond, Statistics } from '../statistics.ts';
import type { MessageStore, QueueName } from '../store/message-store.ts';

export const runtimeInfoProcessors: ProcessorTable = [[RequestCode.GET_BROKER_RUNTIME_INFO, runtimeInfo]];

async function runtimeInfo(_request: Command, _connection: ServerConnection, engine: Engine): Promise<Answer> {
  const table = {
    ...ageOf(engine),
    ...countsOf(engine.statistics),
    ...unqueued,
    ...placeOf(await roomOf(engine.options.dataDirectory)),
    brokerActive: 'true',
    brokerVersionDesc: versionName(),
    commitLogMinOffset: String(engine.store.minCommitLogOffset),
    commitLogMaxOffset: String(engine.store.maxCommitLogOffset),
  };
  return getBrokerRuntimeInfo.answer({}, { body: encodeRuntimeInfo(table) });
}

/** Of the threads that Java's broker has, and of the work that it does later than the send. Tools expect them; here nothing waits so. */
const unqueued = {
  dispatchBehindBytes: '0',
  pageCacheLockTimeMills: '0',
  ...Object.fromEntries(
    ['send', 'pull', 'query', 'litePull', 'ack'].flatMap((pool) => [
      [`${pool}ThreadPoolQueueSize`, '0'],
      [`${pool}ThreadPoolQueueHeadWaitTimeMills`, '0'],
    ]),
  ),
  timerReadBehind: '0',
  timerOffsetBehind: '0',
  timerCongestNum: '0',
  timerEnqueueTps: '0.0',
  timerDequeueTps: '0.0',
};

function versionName(): string {
  const found = Object.entries(ProtocolVersion).find(([, version]) => version === claimedVersion);
  return found?.[0] ?? String(claimedVersion);
}

function ageOf({ startedMs, options, store }: Engine) {
  const nowMs = options.clock.now();
  const seconds = Math.max(Math.floor((nowMs - startedMs) / 1_000), 0);
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) => Math.floor(seconds / unit));
  return {
    bootTimestamp: String(startedMs),
    startAcceptSendRequestTimeStamp: String(startedMs),
    // Without a message: now, since tools compute with the time.
    earliestMessageTimeStamp: String(earliestStoreTimeMs(store) ?? nowMs),
    runtime: `[ ${days} days, ${(hours ?? 0) % 24} hours, ${(minutes ?? 0) % 60} minutes, ${seconds % 60} seconds ]`,
  };
}

/** Of the message that stands first in the log. */
function earliestStoreTimeMs(store: MessageStore): number | undefined {
  let first = Number.POSITIVE_INFINITY;
  let place: QueueName = { topic: '', queueId: 0 };
  for (const queue of store.queues()) {
    const offset = store.entry(
      queue.topic,
      queue.queueId,
      store.minOffset(queue.topic, queue.queueId),
    )?.commitLogOffset;
    if (offset === undefined || offset >= first) continue;
    first = offset;
    place = queue;
  }
  const { topic, queueId } = place;
  const timeMs = store.storeTimestamp(topic, queueId, store.minOffset(topic, queueId));
  return timeMs < 0 ? undefined : timeMs;
}

function countsOf(statistics: Statistics) {
  const put = statistics.putTotals();
  const got = statistics.gotTotals();
  const { found, missed } = statistics.requestsPerSecond();
  const transferred = inText(statistics.gotPerSecond());
  return {
    msgPutTotalYesterdayMorning: String(put.yesterdayMorning),
    msgPutTotalTodayMorning: String(put.todayMorning),
    msgPutTotalTodayNow: String(put.now),
    msgGetTotalYesterdayMorning: String(got.yesterdayMorning),
    msgGetTotalTodayMorning: String(got.todayMorning),
    msgGetTotalTodayNow: String(got.now),
    putMessageTimesTotal: String(put.now),
    putTps: inText(statistics.putPerSecond()),
    getFoundTps: inText(found),
    getMissTps: inText(missed),
    getTotalTps: inText(found.map((perSecond, at) => perSecond + (missed[at] ?? 0))),
    getTransferredTps: transferred,
    // What it is called up to 4.9.
    getTransferedTps: transferred,
  };
}

function inText(rates: PerSecond | readonly number[]): string {
  return rates.map((perSecond) => perSecond.toFixed(4)).join(' ');
}

interface Room {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** Of the disk, or, without a data folder, of the memory of the machine. */
async function roomOf(dataDirectory: string | undefined): Promise<Room> {
  if (dataDirectory === undefined) return { totalBytes: totalmem(), freeBytes: freemem() };
  const { bsize, blocks, bavail } = await statfs(dataDirectory);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

function placeOf({ totalBytes, freeBytes }: Room) {
  const usedShare = totalBytes === 0 ? 0 : 1 - freeBytes / totalBytes;
  return {
    commitLogDiskRatio: usedShare.toFixed(4),
    consumeQueueDiskRatio: usedShare.toFixed(4),
    commitLogDirCapacity: `Total : ${inGibibytes(totalBytes)}, Free : ${inGibibytes(freeBytes)}.`,
  };
}

function inGibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
