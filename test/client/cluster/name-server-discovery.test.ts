import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  discoveryBytesMax,
  discoveryIntervalMs,
  discoveryTimeoutMs,
  NameServerDiscovery,
  type NameServerDiscoveryOptions,
} from '../../../src/client/cluster/name-server-discovery.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

const soon = (): Deadline => Deadline.after(10_000);

describe('NameServerDiscovery', () => {
  let server: Server;
  let url: string;
  let listener: RequestListener;
  let askedFor: (string | undefined)[];
  let log: MemoryLog;
  const opened: NameServerDiscovery[] = [];

  beforeEach(async () => {
    askedFor = [];
    log = new MemoryLog();
    listener = (_request, response) => response.end('10.0.0.1:9876;ns-2.example:9877');
    server = createServer((request, response) => {
      askedFor.push(request.url);
      listener(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rocketmq/nsaddr?token=canary`;
  });

  afterEach(() => {
    for (const discovery of opened.splice(0)) discovery.close();
    server.closeAllConnections();
    server.close();
    vi.useRealTimers();
  });

  function discover(changes: Partial<NameServerDiscoveryOptions> = {}): NameServerDiscovery {
    const discovery = new NameServerDiscovery({ url, nameServers: [], nameServerAllowed: () => true, log, ...changes });
    opened.push(discovery);
    return discovery;
  }

  const answer = (text: string, status = 200): void => {
    listener = (_request, response) => response.writeHead(status).end(text);
  };

  test('asks once for all who want to know, and remembers', async () => {
    const discovery = discover();
    const expected = ['10.0.0.1:9876', 'ns-2.example:9877'];
    expect(await Promise.all([discovery.addresses(soon()), discovery.addresses(soon())])).toEqual([expected, expected]);
    expect(await discovery.addresses(soon())).toEqual(expected);
    expect(askedFor).toEqual(['/rocketmq/nsaddr?token=canary']);
  });

  test.each([
    ['10.0.0.1:9876\n', ['10.0.0.1:9876']],
    ['  10.0.0.1:9876;10.0.0.2:9876\r\n<html>', ['10.0.0.1:9876', '10.0.0.2:9876']],
    ['http://10.0.0.1', ['10.0.0.1:9876']],
  ])('reads the first line: %j', async (text, expected) => {
    answer(text);
    expect(await discover().addresses(soon())).toEqual(expected);
  });

  test('asks again every 2 min, and keeps the list while no newer one is to be had', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const discovery = discover();
    const first = await discovery.addresses(soon());
    answer('down', 503);
    vi.advanceTimersByTime(discoveryIntervalMs);
    expect(await log.trouble()).toContain('going on with the last one');
    expect(await discovery.addresses(soon())).toEqual(first);
    answer('10.0.0.9:9876');
    vi.advanceTimersByTime(discoveryIntervalMs);
    await vi.waitFor(async () => expect(await discovery.addresses(soon())).toEqual(['10.0.0.9:9876']), 20_000);
    expect(askedFor.length).toBe(3);
  });

  test('leaves out what is not allowed', async () => {
    const nameServerAllowed = (address: string): boolean => address.startsWith('10.');
    expect(await discover({ nameServerAllowed }).addresses(soon())).toEqual(['10.0.0.1:9876']);
    await expect(discover({ nameServerAllowed: () => false }).addresses(soon())).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringMatching(/none of the name servers that it lists is allowed$/),
    });
  });

  test('uses what name servers there are until it has the list', async () => {
    answer('down', 500);
    const discovery = discover({ nameServers: ['10.0.0.5:9876'] });
    expect(await discovery.addresses(soon())).toEqual(['10.0.0.5:9876']);
    answer('10.0.0.1:9876');
    expect(await discovery.addresses(soon())).toEqual(['10.0.0.1:9876']);
  });

  test.each([
    ['another status', () => answer('10.0.0.1:9876', 404), /status 404$/],
    ['nothing', () => answer(''), /it is empty$/],
    ['no addresses', () => answer('<html>'), /is no host:port$/],
    ['too many', () => answer(Array.from({ length: 17 }, (_, index) => `h${index}:1`).join(';')), /names 17 addresses/],
    ['too much', () => answer('\n'.repeat(discoveryBytesMax + 1)), /longer than 65536 bytes$/],
    [
      'another place',
      () => {
        listener = (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end();
      },
      /./,
    ],
    [
      'half an answer',
      () => {
        listener = (_request, response) => {
          response.writeHead(200, { 'content-length': '100' }).write('10.0');
          setImmediate(() => response.destroy());
        };
      },
      /./,
    ],
  ])('says so where it gets %s, without the secrets of the URL', async (_, script, reason) => {
    script();
    const error = await discover()
      .addresses(soon())
      .catch((failure: unknown) => failure);
    expect(error).toMatchObject({ kind: 'connect', message: expect.stringMatching(/^127\.0\.0\.1:\d+ gives no list/) });
    expect(error).toMatchObject({ message: expect.stringMatching(reason) });
    expect(String(error)).not.toContain('canary');
    expect(askedFor).toEqual(['/rocketmq/nsaddr?token=canary']);
  });

  test('takes an answer of the largest size', async () => {
    answer(`10.0.0.1:9876${'\n'.repeat(discoveryBytesMax - 13)}`);
    expect(await discover().addresses(soon())).toEqual(['10.0.0.1:9876']);
  });

  test('gives nobody longer than the time that it has', async () => {
    listener = () => {};
    const discovery = discover();
    await expect(discovery.addresses(Deadline.after(50))).rejects.toMatchObject({ kind: 'timeout' });
    await expect(discovery.addresses(Deadline.after(50, AbortSignal.abort()))).rejects.toMatchObject({
      kind: 'cancelled',
    });
    await expect(discovery.addresses(soon())).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringContaining(`no answer in ${discoveryTimeoutMs} ms`),
    });
  });

  test('ends what it waits for when it is closed', async () => {
    listener = () => {};
    const discovery = discover();
    const waiting = expect(discovery.addresses(soon())).rejects.toMatchObject({ kind: 'closed' });
    discovery.close();
    await waiting;
    await expect(discovery.addresses(soon())).rejects.toMatchObject({ kind: 'closed' });
    expect(askedFor.length).toBeLessThanOrEqual(1);
  });
});
