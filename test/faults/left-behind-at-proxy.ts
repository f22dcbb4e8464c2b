/** R-15 through the proxy: what becomes of the messages of a consumer whose client dies, or is frozen. */
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { ProxyClient } from '../support/grpc-client.ts';
import type { ReceivedMessage } from '../support/message-stream.ts';
import type { TestedProxy } from '../support/proxy-process.ts';
import { startReceivingProcess } from '../support/receiving-process.ts';
import { Row } from './figures.ts';

/** As many as one receiver may have without an ack by default. */
const leftCount = 1_000;
const arrivalTimeoutMs = 60_000;

/** Of the proxy: how soon it finds out that a client gives no sign of life. */
export const keepaliveSettings = { PROXY_KEEPALIVE_INTERVAL: '1s', PROXY_KEEPALIVE_TIMEOUT: '1s' } as const;
/** The longest that takes: the interval, the timeout, and two looks at the clock. */
const noticedMsMax = 4_000;

export interface LeftBehindAtProxy {
  /** Tells it from others in the table. */
  readonly title: string;
  /** With `keepaliveSettings`. */
  readonly proxy: TestedProxy;
  createTopic(topic: string): Promise<void>;
  /** From the end of the connection to the arrival of the last message at another consumer, in ms. */
  readonly againMsMax: number;
}

/**
 * Clients are killed that hold 1,000 messages each, then one is frozen. The quickest of those that were killed is judged: the machine may
 * have other work.
 */
export async function leftBehindAtProxy(stage: LeftBehindAtProxy): Promise<void> {
  const { title } = stage;
  const row = new Row(`R-15 ${title}, through the proxy`);
  const times: number[] = [];
  for (let round = 1; round <= 3; round += 1) times.push(await handOver(stage, row, 'SIGKILL', round));
  // Handing 1,000 messages over is work, of which a busy machine does its share only.
  const againMsMax = stage.againMsMax * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  const frozenMs = await handOver(stage, row, 'SIGSTOP', 1);
  row
    .atMost('SIGKILL: the last one came after', Math.min(...times), againMsMax, 'ms')
    .atMost('SIGSTOP: the last one came after', frozenMs, noticedMsMax + againMsMax, 'ms')
    .judge();
}

/** @returns how long after the signal another consumer of the group had the last message, in ms. */
async function handOver(stage: LeftBehindAtProxy, row: Row, signal: NodeJS.Signals, round: number): Promise<number> {
  const { title, proxy } = stage;
  const topic = `left-${title.replaceAll(/\W+/g, '-')}-${signal}-${round}`;
  await stage.createTopic(topic);
  const client = new ProxyClient(proxy.address);
  onTestFinished(() => client.close());
  const producer_id = await client.createProducer(topic);
  const holder = startReceivingProcess(proxy.address, await client.createConsumer(topic, topic));
  onTestFinished(() => holder.stop());
  for (let sent = 0; sent < leftCount; sent += 100) {
    const bodies = Array.from({ length: 100 }, (_, index) => String(sent + index));
    await Promise.all(bodies.map((message_body) => client.send('SendMessage', { producer_id, message_body })));
  }
  await holder.received(leftCount);
  const { stream } = await client.subscribe(topic, topic);
  const signalledMs = Date.now();
  holder.kill(signal);
  await stream.until(({ length }) => length >= leftCount, arrivalTimeoutMs);
  // What comes once too often would come about now.
  await sleep(1_000);
  await holder.stop();
  stream.cancel();
  const { messages } = stream;
  const different = new Set(messages.map(({ message_body }) => message_body));
  row
    .exactly(`${signal} ${round}: of 1,000 came again`, different.size, leftCount)
    .exactly(`${signal} ${round}: once too often`, messages.length - different.size, 0)
    .exactly(`${signal} ${round}: not counted as one redelivery`, messages.filter(isNotSecond).length, 0);
  return Math.max(...messages.map(({ arrivedAtMs }) => arrivedAtMs)) - signalledMs;
}

function isNotSecond({ reconsume_times }: ReceivedMessage): boolean {
  return reconsume_times !== 1;
}
