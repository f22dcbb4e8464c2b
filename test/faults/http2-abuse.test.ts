import { it, onTestFinished } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { FrameType } from '../../src/http2/frame.ts';
import { type AbuseOutcome, abuse } from '../support/abusing-clients.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import {
  callFields,
  endlessBodies,
  type Flood,
  largeHeaders,
  lyingRequests,
  openStreams,
  rapidReset,
  uselessFrames,
} from '../support/http2-floods.ts';
import { codeOf, greetedClient, headers, ofType } from '../support/http2-frames.ts';
import { cpuSeconds, residentMb } from '../support/process-figures.ts';
import { type ProxyProcess, startProxyProcess } from '../support/proxy-process.ts';
import { RawGrpc, statusOfAnswer } from '../support/served-grpc.ts';
import { largest, percentile, Row } from './figures.ts';

interface Tested {
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly client: ProxyClient;
}

/** A proxy in a process of its own, and a client of it that is honest. */
async function startTested(environment: Readonly<Record<string, string>> = {}): Promise<Tested> {
  const proxy = await startProxyProcess({ PROXY_HTTP2_ENGINE: 'own', ...environment });
  onTestFinished(() => proxy.stop());
  const client = new ProxyClient(proxy.address);
  onTestFinished(() => client.close());
  return { proxy, port: Number(proxy.address.split(':')[1]), client };
}

/** Calls of an honest client, one after the other, for so long or until something is over. @returns how long each took, in ms. */
async function callOn(client: ProxyClient, until: Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  let isOver = false;
  void until.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const startMs = performance.now();
    await client.call('HealthCheck', {});
    times.push(performance.now() - startMs);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return times;
}

/** Unary calls that handlers have answered. */
async function callsOf({ proxy }: Tested): Promise<number> {
  const text = await (await fetch(`${proxy.statusUrl}/metrics?format=prometheus`)).text();
  return Number(/^rocketmq_proxy_response_time_seconds_count (\d+)/m.exec(text)?.[1]);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What an attack costs the proxy, and its honest client. */
interface Cost {
  readonly outcome: AbuseOutcome;
  /** CPU of the proxy, as part of a core. */
  readonly cpu: number;
  readonly grownMb: number;
  readonly times: readonly number[];
}

async function measure(tested: Tested, flood: Flood, by: Parameters<typeof abuse>[2]): Promise<Cost> {
  const { pid } = tested.proxy;
  const before = { cpu: cpuSeconds(pid), mb: residentMb(pid), ms: performance.now() };
  let mostMb = 0;
  const watch = setInterval(() => {
    mostMb = Math.max(mostMb, residentMb(pid));
  }, 100);
  const attack = abuse(tested.port, flood, by);
  const times = await callOn(tested.client, attack);
  clearInterval(watch);
  const seconds = (performance.now() - before.ms) / 1_000;
  return {
    outcome: await attack,
    cpu: (cpuSeconds(pid) - before.cpu) / seconds,
    grownMb: mostMb - before.mb,
    times,
  };
}

it('R-40: streams are reset as soon as they are opened, by connections that come again at once', async () => {
  const tested = await startTested();
  await callOn(tested.client, sleep(2_000));
  const calm = await callOn(tested.client, sleep(3_000));
  const callCount = await callsOf(tested);
  const { outcome, cpu, grownMb, times } = await measure(tested, rapidReset(2_000), {
    address: '127.0.0.2',
    connectionCount: 4,
    seconds: 60,
  });
  const handledCount = (await callsOf(tested)) - callCount - times.length;
  const after = await callOn(tested.client, sleep(3_000));
  const calmMs = Math.max(percentile(calm, 99), percentile(after, 99));
  new Row('R-40')
    .tell('connections that were served', outcome.servedCount)
    .tell('connections that were refused', outcome.refusedCount)
    .exactly('connections ended by ENHANCE_YOUR_CALM', outcome.codes[11] ?? 0, outcome.servedCount)
    .atMost('calls that reached a handler, of a connection', handledCount / outcome.servedCount, 200)
    .atMost('longest from GOAWAY to the end', largest(outcome.graceMs), 1_000, 'ms')
    .tell('CPU of the proxy', cpu * 100, '%')
    .atMost('memory grown by', grownMb, 50, 'MB')
    .tell('p99 of an honest client before and after', calmMs, 'ms')
    .atMost('p99 of an honest client', percentile(times, 99), Math.round(Math.max(10, 3 * calmMs)), 'ms')
    .judge();
});

it('R-41: 100,001 streams are opened and not ended', async () => {
  const tested = await startTested();
  await callOn(tested.client, sleep(2_000));
  const { outcome, cpu, grownMb } = await measure(tested, openStreams(100_001), {
    address: '127.0.0.2',
    connectionCount: 1,
    seconds: 10,
  });
  const held = await measure(tested, openStreams(1_000), { address: '127.0.0.3', connectionCount: 1, seconds: 14 });
  new Row('R-41')
    .exactly('connections ended by ENHANCE_YOUR_CALM', outcome.codes[11] ?? 0, outcome.servedCount)
    .tell('CPU of the proxy', cpu * 100, '%')
    .atMost('memory grown by', grownMb, 50, 'MB')
    .tell('connections of 1,000 open streams that lived on', 1 - held.outcome.livedMs.length)
    .exactly('calls left open', (await tested.proxy.metrics())['goroutine_count'] ?? 0, 0)
    .judge();
});

it('R-41: 128 streams are announced and open at a time, and closed after 10 s without data', async () => {
  const { port } = await startTested({ MAX_CONCURRENT: '128' });
  const client = await greetedClient(port);
  const [settings] = client.frames.filter(ofType(FrameType.SETTINGS));
  const ids = Array.from({ length: 129 }, (_, index) => 2 * index + 1);
  const startMs = performance.now();
  client.socket.write(Buffer.concat(ids.map((id) => headers(id, callFields('SendMessage'), 0))));
  const refused = await client.next(ofType(FrameType.RST_STREAM));
  await client.next(ofType(FrameType.RST_STREAM, 255));
  const closed = client.frames.filter((one) => one.type === FrameType.RST_STREAM && codeOf(one) === ErrorCode.CANCEL);
  new Row('R-41')
    .exactly('streams announced', settings?.payload.readUInt32BE(2) ?? 0, 128)
    .exactly('the first that is refused', (refused.streamId + 1) / 2, 129)
    .exactly('streams closed for want of data', closed.length, 128)
    // A second for the sweep, and one for a busy machine.
    .atMost('until then', (performance.now() - startMs) / 1_000, 12, 's')
    .judge();
});

it('R-41: bodies come that do not end, of all connections more than may be held', async () => {
  const requestMb = 64;
  const tested = await startTested({ PROXY_REQUEST_MB: String(requestMb) });
  await callOn(tested.client, sleep(2_000));
  const attack = { address: '127.0.0.2', connectionCount: 16, seconds: 10 };
  const { outcome, cpu, grownMb, times } = await measure(tested, endlessBodies(100), attack);
  new Row('R-41')
    .atLeast('bytes sent', outcome.writtenBytes / 1_048_576, 3 * requestMb, 'MB')
    .atLeast('calls of an honest client meanwhile', times.length, 100)
    .tell('their p99', percentile(times, 99), 'ms')
    .tell('CPU of the proxy', cpu * 100, '%')
    // What is held, what grew to hold it, and what waits for the garbage collector.
    .atMost('memory grown by', grownMb, 3 * requestMb, 'MB')
    .judge();
});

it('R-44: frames that bring nothing forward', async () => {
  const tested = await startTested();
  await callOn(tested.client, sleep(2_000));
  const row = new Row('R-44');
  let host = 2;
  for (const [name, flood] of Object.entries(uselessFrames(50_000))) {
    const by = { address: `127.0.0.${host++}`, connectionCount: 1, seconds: 2 };
    const { outcome, cpu, grownMb } = await measure(tested, flood, by);
    row
      .exactly(`${name}: connections ended by ENHANCE_YOUR_CALM`, outcome.codes[11] ?? 0, outcome.servedCount)
      .atMost(
        `${name}: longest from first byte to GOAWAY`,
        largest(outcome.livedMs) - largest(outcome.graceMs),
        1_000,
        'ms',
      )
      .atMost(`${name}: longest from GOAWAY to the end`, largest(outcome.graceMs), 1_000, 'ms')
      .atMost(`${name}: CPU of the proxy`, cpu * 100, 30, '%')
      .atMost(`${name}: memory grown by`, grownMb, 20, 'MB');
  }
  row.judge();
});

it('R-45: header blocks without end, large fields, many fields, and what HPACK makes large', async () => {
  const tested = await startTested();
  await callOn(tested.client, sleep(2_000));
  const row = new Row('R-45');
  let host = 2;
  for (const [name, flood] of Object.entries(largeHeaders(600))) {
    const again = (): Promise<Cost> =>
      measure(tested, flood, { address: `127.0.0.${host++}`, connectionCount: 1, seconds: 1 });
    const [first, ...others] = [await again(), await again(), await again(), await again()];
    row
      .exactly(
        `${name}: connections ended by ENHANCE_YOUR_CALM`,
        first.outcome.codes[11] ?? 0,
        first.outcome.servedCount,
      )
      .atMost(`${name}: CPU of the proxy`, first.cpu * 100, 30, '%')
      .atMost(`${name}: memory grown by, at first`, first.grownMb, 50, 'MB')
      // What only waits for the garbage collector does not come each time.
      .atMost(`${name}: memory grown by, each time`, Math.min(...others.map(({ grownMb }) => grownMb)), 5, 'MB');
  }
  row.judge();
});

it('R-46: length prefixes that lie', async () => {
  const tested = await startTested();
  await callOn(tested.client, sleep(2_000));
  const client = new RawGrpc(await greetedClient(tested.port));
  const row = new Row('R-46');
  const roundCount = 500;
  const beforeMb = residentMb(tested.proxy.pid);
  for (const [name, { bytes, isWhole, code }] of Object.entries(lyingRequests())) {
    let answeredCount = 0;
    for (let round = 0; round < roundCount; round += 1) {
      const id = client.open('/rocketmq.RocketMQProxy/HealthCheck');
      client.data(id, bytes, isWhole);
      if (statusOfAnswer(await client.answer(id)).startsWith(`${code} `)) answeredCount += 1;
    }
    row.exactly(`${name}: calls answered with ${code}`, answeredCount, roundCount);
  }
  // Mostly what so many calls warm up; one claim that was believed would be more.
  row.atMost('memory grown by', residentMb(tested.proxy.pid) - beforeMb, 50, 'MB').judge();
});
