import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PolicyError } from '../../src/proxy/access/endpoint-policy.ts';
import { type EngineKey, Engines, engineIdleMs, enginesMax } from '../../src/proxy/engines.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import {
  consumerDefaults,
  routesScript,
  type ScriptedCluster,
  sentProperties,
  startScriptedCluster,
} from '../support/scripted-cluster.ts';

const soon = (): Deadline => Deadline.after(10_000);

describe('Engines', () => {
  let cluster: ScriptedCluster;
  let engines: Engines;
  let allowed: (endpoint: string) => boolean;

  beforeEach(async () => {
    cluster = await startScriptedCluster();
    allowed = () => true;
    engines = new Engines({
      vendor: 'volcengine',
      checkEndpoint: (endpoint) => {
        if (!allowed(endpoint)) throw new PolicyError('refused', endpoint);
      },
      brokerAllowed: () => true,
      log: cluster.log,
    });
  });

  afterEach(async () => {
    vi.useRealTimers();
    await engines.close();
    await cluster.stop();
  });

  const keyOf = (change: Partial<EngineKey> = {}): EngineKey => ({
    endpoint: cluster.nameServer.address,
    accessKeyId: '',
    accessKeySecret: '',
    ...change,
  });

  const send = (key: EngineKey, timeMs = 0) =>
    engines.get(key).producer.send(
      {
        topic: 'topic',
        body: Buffer.from('x'),
        delivery: timeMs === 0 ? { kind: 'now' } : { kind: 'time', deliverTimestampMs: timeMs },
      },
      soon(),
    );

  it('are shared: one connection to each server, however many use it', async () => {
    await Promise.all(Array.from({ length: 50 }, () => send(keyOf())));
    expect(engines.count).toBe(1);
    expect([cluster.nameServer, cluster.broker].map(({ connections }) => connections.length)).toEqual([1, 1]);
  });

  it('differ with endpoint, access key id and secret, and take no part for another', () => {
    const keys = [
      keyOf(),
      keyOf({ endpoint: 'a:1' }),
      keyOf({ accessKeyId: 'x' }),
      keyOf({ accessKeyId: 'x', accessKeySecret: 'y' }),
      keyOf({ accessKeyId: 'x","y' }),
    ];
    const clients = keys.map((key) => engines.get(key));
    expect(new Set(clients).size).toBe(5);
    expect(keys.map((key) => engines.get({ ...key }))).toEqual(clients);
    expect(engines.count).toBe(5);
  });

  it('sign with the access key where there is one', async () => {
    await send(keyOf());
    await send(keyOf({ accessKeyId: 'id', accessKeySecret: 'secret' }));
    const signatures = cluster.broker
      .requests(RequestCode.SEND_MESSAGE_V2)
      .map(({ extFields }) => extFields['Signature']);
    expect(signatures).toEqual([undefined, expect.any(String)]);
  });

  it('send to the vendor’s brokers as those want it', async () => {
    const timeMs = Date.now() + 60_000;
    await send(keyOf(), timeMs);
    const [request] = cluster.broker.requests(RequestCode.SEND_MESSAGE_V2);
    if (request === undefined) throw new Error('nothing was sent');
    expect(sentProperties(request).get('__STARTDELIVERTIME')).toBe(String(timeMs));
  });

  it('commit what nobody else can end', async () => {
    const { transactions } = engines.get(keyOf());
    const { sent } = await transactions.begin(
      { topic: 'topic', body: Buffer.from('x'), delivery: { kind: 'now' } },
      undefined,
      soon(),
    );
    expect(sent.transactionId).toBeDefined();
  });

  it('are not made for an endpoint that is not allowed, whatever id names it', () => {
    engines.get(keyOf({ endpoint: 'a:1' }));
    allowed = () => false;
    expect(() => engines.get(keyOf({ endpoint: 'b:1' }))).toThrow(PolicyError);
    expect(engines.count).toBe(1);
  });

  it('do not connect to brokers that are not allowed', async () => {
    const strict = new Engines({
      vendor: 'auto',
      checkEndpoint: () => {},
      brokerAllowed: () => false,
      log: cluster.log,
    });
    await expect(strict.get(keyOf()).checkTopic('topic', soon())).rejects.toMatchObject({ kind: 'connect' });
    expect(cluster.broker.connections).toEqual([]);
    await strict.close();
  });

  describe('that are idle', () => {
    it('are closed, and made again when they are used again', async () => {
      const key = keyOf();
      await send(key);
      const nowMs = performance.now();
      engines.sweep(nowMs + engineIdleMs - 1_000);
      expect(engines.count).toBe(1);
      const client = engines.get(key);
      engines.sweep(nowMs + engineIdleMs + 60_000);
      expect(engines.count).toBe(0);
      await cluster.broker.until(() => cluster.broker.openConnections.length === 0);
      await cluster.nameServer.until(() => cluster.nameServer.openConnections.length === 0);
      expect(engines.get(key)).not.toBe(client);
      await send(key);
    });

    it('stay where a consumer may need them', () => {
      const consumer = engines.get(keyOf()).popConsumer(consumerDefaults);
      engines.sweep(performance.now() + engineIdleMs * 2);
      expect(engines.count).toBe(1);
      return consumer.close();
    });
  });

  describe('that are too many', () => {
    const refusal = (key: EngineKey): unknown => {
      try {
        engines.get(key);
        return undefined;
      } catch (error) {
        return error;
      }
    };

    it('are refused; those in use go on, and those that are not make room after a minute', () => {
      vi.useFakeTimers({ toFake: ['performance'] });
      for (let count = 0; count < enginesMax; count += 1) engines.get(keyOf({ accessKeyId: `${count}` }));
      const error = refusal(keyOf({ accessKeyId: 'one more' }));
      expect(error).toBeInstanceOf(ConnectError);
      expect(error).toMatchObject({ code: Code.ResourceExhausted });
      vi.advanceTimersByTime(59_000);
      engines.get(keyOf({ accessKeyId: '7' }));
      expect(refusal(keyOf({ accessKeyId: 'one more' }))).toBeInstanceOf(ConnectError);
      vi.advanceTimersByTime(1_000);
      expect(refusal(keyOf({ accessKeyId: 'one more' }))).toBeUndefined();
      expect(engines.count).toBe(2);
    });
  });

  describe('that were closed', () => {
    it('refuse every call and have no connection left', async () => {
      await send(keyOf());
      await engines.close();
      await cluster.broker.until(() => cluster.broker.openConnections.length === 0);
      expect(() => engines.get(keyOf())).toThrow(expect.objectContaining({ code: Code.Unavailable }));
      await engines.close();
    });

    it('first give back what their consumers hold', async () => {
      cluster.nameServer.on(RequestCode.GET_ROUTEINFO_BY_TOPIC, routesScript({ topic: cluster.queues }));
      const consumer = engines.get(keyOf()).popConsumer(consumerDefaults);
      await consumer.open(soon());
      await engines.close();
      await cluster.broker.request(RequestCode.UNREGISTER_CLIENT);
    });
  });
});
