/** of HTTP/2 on the whole proxy, each in little: the project `faults` has them at full scale. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ErrorCode } from '../../../src/http2/errors.ts';
import { FrameType } from '../../../src/http2/frame.ts';
import { heldMs } from '../../../src/proxy/port/held-refusals.ts';
import { offencesMax } from '../../../src/proxy/port/offenders.ts';
import { ProxyClient } from '../../support/grpc-client.ts';
import {
  callFields,
  endlessBodies,
  type Flood,
  largeHeaders,
  lyingRequests,
  rapidReset,
  uselessFrames,
} from '../../support/http2-floods.ts';
import { codeOf, endOf, greetedClient, headers, ofType, rawClient } from '../../support/http2-frames.ts';
import { startProxyHere } from '../../support/proxy-here.ts';
import type { TestedProxy } from '../../support/proxy-process.ts';
import { RawGrpc, statusOfAnswer } from '../../support/served-grpc.ts';
import { eventually, readAll } from '../../support/started-listener.ts';

/** A proxy with the settings that it has where nobody sets any, and an honest client of it. */
async function start(environment: Readonly<Record<string, string>> = {}) {
  const proxy = await startProxyHere({ PROXY_EMBEDDED: 'off', ...environment });
  onTestFinished(() => proxy.stop());
  const honest = new ProxyClient(proxy.address);
  onTestFinished(() => honest.close());
  const answered = async (): Promise<number> => {
    const text = await (await fetch(`${proxy.statusUrl}/metrics?format=prometheus`)).text();
    return Number(/^rocketmq_proxy_response_time_seconds_count (\d+)/m.exec(text)?.[1]);
  };
  return { proxy, honest, answered, port: Number(proxy.address.split(':')[1]) };
}

/** Says all of a flood from this address. @returns the code that it is ended with. */
async function flood(port: number, { opening, flood: more }: Flood, address: string): Promise<number> {
  const client = await rawClient(port, opening, address);
  client.socket.write(more);
  return endOf(client);
}

describe('the proxy', () => {
  it('R-40: ends connections that reset their streams at once, refuses who goes on, and serves all others', async () => {
    const { port, honest, answered, proxy } = await start();
    for (let offence = 0; offence < offencesMax; offence += 1)
      expect(await flood(port, rapidReset(2_000), '127.0.0.2')).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(await answered()).toBeLessThanOrEqual(offencesMax * 200);
    const startMs = performance.now();
    const refused = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    onTestFinished(() => void refused.destroy());
    expect(await readAll(refused)).toBe('');
    // Later: or it would come thousands of times in a second.
    expect(performance.now() - startMs).toBeGreaterThan(heldMs / 2);
    await honest.call('HealthCheck', {});
    expect((await proxy.metrics())['refused_connections']).toBe(1);
  });

  it('R-41: lets as many streams be open as MAX_CONCURRENT says', async () => {
    const { port } = await start({ MAX_CONCURRENT: '128' });
    const client = await greetedClient(port);
    const [settings] = client.frames.filter(ofType(FrameType.SETTINGS));
    expect(settings?.payload.subarray(0, 6).toString('hex')).toBe('000300000080');
    const ids = Array.from({ length: 129 }, (_, index) => 2 * index + 1);
    client.socket.write(Buffer.concat(ids.map((id) => headers(id, callFields('SendMessage'), 0))));
    const refused = await client.next(ofType(FrameType.RST_STREAM));
    expect([refused.streamId, codeOf(refused)]).toEqual([257, ErrorCode.REFUSED_STREAM]);
  });

  it('R-41: keeps no more of bodies that do not end than PROXY_REQUEST_MB says, and serves all others', async () => {
    const { port, honest } = await start({ PROXY_REQUEST_MB: '16' });
    const { opening } = endlessBodies(30);
    const attackers = await Promise.all(Array.from({ length: 4 }, () => rawClient(port, opening, '127.0.0.2')));
    const codes = (): number[] =>
      attackers.flatMap(({ frames }) => frames.filter(ofType(FrameType.RST_STREAM)).map(codeOf));
    // Of each 30 bodies of 256,000 bytes; together 16 MiB may stay.
    await eventually(() => codes().length).toBeGreaterThanOrEqual(55);
    expect(new Set(codes())).toEqual(new Set([ErrorCode.ENHANCE_YOUR_CALM]));
    await expect(honest.call('SendMessage', { producer_id: 'x'.repeat(100_000), message_body: 'x' })).rejects.toThrow(
      'producer_id is unknown',
    );
  });

  it('R-43: takes so many connections of one address, and closes more at once', async () => {
    const { port } = await start({ PROXY_MAX_CONNECTIONS_PER_ADDRESS: '3' });
    await Promise.all(['', '', ''].map(() => greetedClient(port, '127.0.0.2')));
    const refused = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    onTestFinished(() => void refused.destroy());
    expect(await readAll(refused)).toBe('');
    await greetedClient(port, '127.0.0.3');
  });
});

describe('one proxy', () => {
  let proxy: TestedProxy;
  let port = 0;
  let host = 1;
  /** Whose connections are ended for abuse is soon refused. */
  const nextAddress = (): string => {
    host += 1;
    return `127.0.0.${host}`;
  };

  beforeAll(async () => {
    proxy = await startProxyHere({ PROXY_EMBEDDED: 'off' });
    port = Number(proxy.address.split(':')[1]);
  });

  afterAll(() => proxy.stop());

  it.each(Object.entries(uselessFrames(3_000)))(
    'R-44: ends a connection that floods it with %s',
    async (_name, frames) => {
      expect(await flood(port, frames, nextAddress())).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    },
  );

  it.each(Object.entries(largeHeaders(250)))(
    'R-45: ends a connection that floods it with %s',
    async (_name, blocks) => {
      expect(await flood(port, blocks, nextAddress())).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    },
  );

  it.each(Object.entries(lyingRequests()))(
    'R-46: refuses a request where %s',
    async (_name, { bytes, isWhole, code }) => {
      const client = new RawGrpc(await greetedClient(port));
      const id = client.open('/rocketmq.RocketMQProxy/HealthCheck');
      client.data(id, bytes, isWhole);
      expect(statusOfAnswer(await client.answer(id))).toMatch(new RegExp(`^${code} .`));
    },
  );
});
