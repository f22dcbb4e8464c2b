import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { it, onTestFinished } from 'vitest';
import { RocketMQProxy, SendMessageRequestSchema } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { startTestEngine } from '../support/engine-client.ts';
import { envelope } from '../support/http-client.ts';
import { startProxyProcess } from '../support/proxy-process.ts';
import { requestHeaders } from '../support/raw-http2.ts';
import { type ReceivingProcess, startReceivingProgram } from '../support/receiving-process.ts';
import { SettingFolder } from '../support/setting-files.ts';
import { largest, percentile, Row } from './figures.ts';

const roundCount = 8;
/** Nearly as many as one connection may have under way. */
const floodingCallCount = 900;

/** A proxy that two tenants share, each with a token that is its name. @returns its address. */
async function startShared(): Promise<string> {
  const tokens = ['calm', 'wild'].map((name) => ({
    ...{ name, sha256: createHash('sha256').update(name).digest('hex') },
    ...{ publish: ['*'], subscribe: ['*'], groups: ['*'] },
  }));
  const { nameServer } = await startTestEngine();
  const proxy = await startProxyProcess({
    ROCKETMQ_ENDPOINT: nameServer,
    PROXY_TOKENS_FILE: new SettingFolder().write('tokens', JSON.stringify({ tokens })),
    PROXY_CLIENT_CALLS: '32',
    PROXY_CLIENT_RATE: '60',
  });
  onTestFinished(() => proxy.stop());
  return proxy.address;
}

function clientAs(token: string, address: string): Client<typeof RocketMQProxy> {
  const baseUrl = `http://${address}`;
  return createClient(
    RocketMQProxy,
    createGrpcTransport({
      baseUrl,
      interceptors: [
        (next) => (request) => {
          request.header.set('authorization', `Bearer ${token}`);
          return next(request);
        },
      ],
    }),
  );
}

/** Sends with many calls under way, in a process of its own that spends next to nothing on each. */
async function startFlood(address: string): Promise<ReceivingProcess> {
  const { producerId } = await clientAs('wild', address).createProducer({ topic: 'wild' });
  const fields = requestHeaders(1, false, {
    ':path': '/rocketmq.RocketMQProxy/SendMessage',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: 'Bearer wild',
  }).subarray(9);
  const message = create(SendMessageRequestSchema, { producerId, messageBody: 'flood' });
  const request = envelope(toBinary(SendMessageRequestSchema, message));
  const parts = [fields, request].map((bytes) => Buffer.from(bytes).toString('base64'));
  const flood = startReceivingProgram('flooding-program.mjs', [address, String(floodingCallCount), ...parts]);
  onTestFinished(() => flood.stop());
  await flood.received(2);
  return flood;
}

/** How many calls of the flood were served and refused so far. */
function countsOf({ lines }: ReceivingProcess): readonly [number, number] {
  const [served, refused] = (lines.at(-1) ?? '').split(' ').map(Number);
  return [served ?? 0, refused ?? 0];
}

it('R-33: one of two tenants floods', { timeout: 150_000 }, async () => {
  const address = await startShared();
  const calm = clientAs('calm', address);
  const { producerId } = await calm.createProducer({ topic: 'calm' });
  /** One send after the other, below the limits of a tenant. */
  const p99 = async (): Promise<number> => {
    const times: number[] = [];
    for (let count = 0; count < 30; count += 1) {
      const startMs = performance.now();
      await calm.sendMessage({ producerId, messageBody: 'calm' });
      times.push(performance.now() - startMs);
      await sleep(20);
    }
    return percentile(times, 99);
  };
  await p99();
  const flood = await startFlood(address);
  const rounds: { readonly alone: number; readonly beside: number }[] = [];
  for (let round = 0; round < roundCount; round += 1) {
    flood.kill('SIGSTOP');
    const alone = await p99();
    flood.kill('SIGCONT');
    // Behind the calls that were answered meanwhile, all of which it makes again at once.
    await flood.received(flood.lines.length + 3);
    rounds.push({ alone, beside: await p99() });
  }
  const [servedCount, refusedCount] = countsOf(flood);
  const ratios = rounds.map(({ alone, beside }) => beside / alone);
  new Row('R-33')
    .tell('calls that the flood has under way', floodingCallCount)
    .atLeast('calls of the flood that were refused', refusedCount, 100)
    .atLeast('calls of the flood that were served none the less', servedCount, 100)
    .tell('p99 of a send of the other tenant, alone, best of 8', Math.min(...rounds.map(({ alone }) => alone)), 'ms')
    .tell('the same beside the flood, best of 8', Math.min(...rounds.map(({ beside }) => beside)), 'ms')
    .tell('beside and alone, worst of 8 rounds', largest(ratios), 'times')
    // Of neighbours in time, since the machine may have other work.
    .atMost('beside and alone, best of 8 rounds', Math.min(...ratios), 2, 'times')
    .judge();
});
