import { createHash } from 'node:crypto';
import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { RocketMQProxy } from '../../src/gen/rocketmq/rocketmq_pb.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import type { ScriptedCluster, ScriptedPop } from '../support/scripted-cluster.ts';
import { SettingFolder } from '../support/setting-files.ts';
import { clientOf, startTestCluster, startTestProxy } from '../support/started-proxy.ts';

const hash = (token: string): string => createHash('sha256').update(token).digest('hex');
const soon = { timeout: 15_000, interval: 10 };

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'OK';
  } catch (error) {
    return Code[ConnectError.from(error).code] ?? '';
  }
}

describe('a proxy with tokens', { timeout: 30_000 }, () => {
  let cluster: ScriptedCluster;
  let pop: ScriptedPop;
  let folder: SettingFolder;
  let port: number;
  let tokensFile: string;

  const entry = (name: string, more: object = {}) => ({
    name,
    sha256: hash(name),
    publish: ['topic'],
    subscribe: ['topic'],
    groups: ['g'],
    endpoint: cluster.nameServer.address,
    ...more,
  });
  const write = (...tokens: object[]): string => folder.write('tokens', JSON.stringify({ tokens }));

  beforeEach(async () => {
    ({ cluster, pop } = await startTestCluster());
    folder = new SettingFolder();
    tokensFile = write(
      entry('shop'),
      entry('other'),
      entry('reader', { publish: [] }),
      entry('elsewhere', { groups: ['h'] }),
    );
    ({ port } = await startTestProxy({ tokensFile, fileCheckIntervalMs: 10 }));
  });

  function as(token: string) {
    const bearer: Interceptor = (next) => (request) => {
      request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    };
    const options = { baseUrl: `http://127.0.0.1:${port}`, interceptors: [bearer] };
    return createClient(RocketMQProxy, createGrpcTransport(options));
  }

  it('serves who has one within its rights, at its own endpoint', async () => {
    const shop = as('shop');
    const { producerId } = await shop.createProducer({ topic: 'topic' });
    expect(await codeOf(shop.sendMessage({ producerId, messageBody: 'x' }))).toBe('OK');
    const { consumerId } = await shop.createConsumer({ topic: 'topic', groupId: 'g' });
    pop.arriveOffsets(1);
    for await (const { receiptHandle } of shop.receiveMessages({ consumerId })) {
      expect(await codeOf(shop.ackMessage({ consumerId, receiptHandle }))).toBe('OK');
      break;
    }
  });

  it('serves nobody else but health checks', async () => {
    const calls = (client: ReturnType<typeof as>) => [
      client.createProducer({ topic: 'topic' }),
      client.sendMessage({ producerId: 'x' }),
      client.createConsumer({ topic: 'topic', groupId: 'g' }),
      client.ackMessage({ consumerId: 'x' }),
      client.cleanupProducer({ topic: 'topic' }),
      client.cleanupConsumer({ groupId: 'g' }),
      client.receiveMessages({ consumerId: 'x' })[Symbol.asyncIterator]().next(),
    ];
    for (const client of [clientOf(port), as('stranger')]) {
      const codes = await Promise.all(calls(client).map(codeOf));
      expect(codes).toEqual(codes.map(() => 'Unauthenticated'));
      expect(await codeOf(client.healthCheck({}))).toBe('OK');
    }
    expect(cluster.nameServer.connections).toEqual([]);
  });

  it('refuses what a token does not name, whether it exists or not, without asking a broker', async () => {
    const reader = as('reader');
    const refusals = [
      reader.createProducer({ topic: 'topic' }),
      reader.createProducer({ topic: 'nowhere' }),
      reader.createConsumer({ topic: 'nowhere', groupId: 'g' }),
      reader.createConsumer({ topic: 'topic', groupId: 'h' }),
      as('shop').createProducer({ topic: 'topic', endpoint: '127.0.0.1:1' }),
      as('shop').createProducer({ topic: 'topic', accessKeyId: 'mine' }),
    ];
    expect(await Promise.all(refusals.map(codeOf))).toEqual(refusals.map(() => 'PermissionDenied'));
    expect(cluster.nameServer.connections).toEqual([]);
  });

  it('does not know ids and handles that were made for another token', async () => {
    const [shop, other] = [as('shop'), as('other')];
    const { producerId } = await shop.createProducer({ topic: 'topic' });
    const { consumerId } = await shop.createConsumer({ topic: 'topic', groupId: 'g' });
    expect(await codeOf(other.sendMessage({ producerId, messageBody: 'x' }))).toBe('NotFound');
    expect(await codeOf(other.receiveMessages({ consumerId })[Symbol.asyncIterator]().next())).toBe('NotFound');
    expect(await codeOf(other.ackMessage({ consumerId, receiptHandle: 'x' }))).toBe('NotFound');
    expect(await other.cleanupProducer({ producerId })).toMatchObject({ cleanedCount: 0 });
    expect(await other.cleanupProducer({ topic: 'topic' })).toMatchObject({ cleanedCount: 0 });
    expect(await other.cleanupConsumer({ groupId: 'g' })).toMatchObject({ cleanedCount: 0 });
    expect(await shop.cleanupProducer({ topic: 'topic' })).toMatchObject({ cleanedCount: 1 });
  });

  it('takes changed rights for ids that are old, and ends streams whose token changed', async () => {
    const shop = as('shop');
    const { producerId } = await shop.createProducer({ topic: 'topic' });
    const { consumerId } = await shop.createConsumer({ topic: 'topic', groupId: 'g' });
    const waiting = shop.receiveMessages({ consumerId })[Symbol.asyncIterator]().next();
    const ended = codeOf(waiting);
    await cluster.broker.request(RequestCode.NOTIFICATION);
    write(entry('shop', { publish: [] }));
    await vi.waitFor(
      async () => expect(await codeOf(shop.sendMessage({ producerId, messageBody: 'x' }))).toBe('PermissionDenied'),
      soon,
    );
    pop.arriveOffsets(1);
    expect(await ended).toBe('Unauthenticated');
    write();
    await vi.waitFor(async () => expect(await codeOf(shop.cleanupProducer({}))).toBe('Unauthenticated'), soon);
  });
});
