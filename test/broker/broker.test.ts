import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startBroker } from '../../src/broker/broker.ts';
import { BrokerListenError } from '../../src/broker/listener.ts';
import { StoreError } from '../../src/broker/store/message-store.ts';
import type { Log } from '../../src/log.ts';
import { type Command, type ExtFields, newExtFields } from '../../src/remoting/command.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { getMaxOffset } from '../../src/remoting/requests/consumer-offset.ts';
import { decodeRoute, getRoute } from '../../src/remoting/requests/get-route.ts';
import { ResponseCode } from '../../src/remoting/response-code.ts';
import { bytesOf } from '../support/connected-channel.ts';
import { connectEngine, pullContent, startTestEngine, temporaryFolder } from '../support/engine-client.ts';
import { Mutator } from '../support/mutator.ts';

const portOf = (address: string): number => Number(address.split(':').at(-1));

async function isOpen(address: string): Promise<boolean> {
  const socket = connect(portOf(address), '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

describe('the broker', () => {
  it('listens on free ports of the loopback address, and sends and gives a message', async () => {
    const { nameServer, brokerAddress } = await startTestEngine();
    expect(nameServer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(brokerAddress).not.toBe(nameServer);
    const client = await connectEngine(brokerAddress);
    await client.send('orders', 'order 4711');
    expect((await client.pull('orders')).bodies).toEqual(['order 4711']);
  });

  it('tells routes that name where it listens', async () => {
    const { nameServer, brokerAddress } = await startTestEngine();
    await (await connectEngine(brokerAddress)).send('orders', 'body');
    const client = await connectEngine(nameServer);
    const route = decodeRoute(await client.invoke(getRoute.encode({ topic: 'orders' })));
    expect(route.brokers[0]?.addresses.get(0)).toBe(brokerAddress);
  });

  it('on all addresses, is told as the address by which the client came', async () => {
    const broker = await startTestEngine({ host: '0.0.0.0' });
    expect(broker.nameServer).toMatch(/^127\.0\.0\.1:/);
    const client = await connectEngine(broker.nameServer);
    await (await connectEngine(broker.brokerAddress)).send('orders', 'body');
    const route = decodeRoute(await client.invoke(getRoute.encode({ topic: 'orders' })));
    expect(route.brokers[0]?.addresses.get(0)).toBe(broker.brokerAddress);
  });

  it('serves IPv6, with brackets in its addresses and messages intact', async () => {
    const { nameServer, brokerAddress } = await startTestEngine({ host: '::1' });
    expect(nameServer).toMatch(/^\[::1\]:\d+$/);
    const client = await connectEngine(brokerAddress);
    const { messageId } = await client.send('orders', 'over IPv6');
    expect(messageId).toHaveLength(56);
    const { messages } = await client.pull('orders');
    expect(messages).toMatchObject([{ storeHost: brokerAddress, bornHost: expect.stringMatching(/^\[::1\]:/) }]);
    expect(messages[0]?.body.toString()).toBe('over IPv6');
  });

  it('says which port another program has, and leaves none open', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const address = other.address();
    const taken = typeof address === 'object' && address !== null ? address.port : 0;
    for (const ports of [
      { nameServerPort: taken, brokerPort: 0 },
      { nameServerPort: 0, brokerPort: taken },
    ]) {
      const error = await startBroker(ports).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(BrokerListenError);
      expect(error).toMatchObject({ port: taken });
    }
  });

  it('says that another engine has the data directory, and leaves no port open', async () => {
    const dataDirectory = temporaryFolder();
    await startTestEngine({ dataDirectory });
    const free = createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const address = free.address();
    const nameServerPort = typeof address === 'object' && address !== null ? address.port : 0;
    free.close();
    await once(free, 'close');
    const error = await startBroker({ nameServerPort, dataDirectory }).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(StoreError);
    expect(String(error)).toContain(`in use by process ${process.pid}`);
    expect(await isOpen(`127.0.0.1:${nameServerPort}`)).toBe(false);
  });

  it('asks to come again while it starts or ends', async () => {
    const requests: Promise<Command>[] = [];
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    await client.invoke(getMaxOffset.encode({ topic: 'a', queueId: 0 }));
    const closed = broker.close();
    for (let count = 0; count < 5; count += 1) {
      requests.push(client.invoke(getMaxOffset.encode({ topic: 'a', queueId: 0 })));
    }
    for (const result of await Promise.allSettled(requests)) {
      if (result.status === 'fulfilled') expect(result.value.code).toBe(ResponseCode.SERVICE_NOT_AVAILABLE);
      else expect(result.reason).toMatchObject({ kind: 'closed' });
    }
    await closed;
  });

  it('answers what it holds when it ends', async () => {
    const broker = await startTestEngine();
    const client = await connectEngine(broker.brokerAddress);
    await client.send('orders', 'first');
    const held = client.pull('orders', { offset: 1, suspendMs: 30_000 });
    await vi.waitFor(() => expect(broker.engine.held.count).toBe(1), 20_000);
    await broker.close();
    expect((await held).code).toBe(ResponseCode.PULL_NOT_FOUND);
    expect(await isOpen(broker.brokerAddress)).toBe(false);
  });

  it('ends once, whoever asks and when', async () => {
    const broker = await startTestEngine();
    await Promise.all([broker.close(), broker.close()]);
    await broker.close();
    expect(() => broker.engine).toThrow('the engine does not run');
  });
});

describe('a restart', () => {
  it.each(['in memory', 'on disk'])('keeps messages, offsets and ports %s, and cuts connections', async (where) => {
    const broker = await startTestEngine(where === 'on disk' ? { dataDirectory: temporaryFolder() } : {});
    const { nameServer, brokerAddress } = broker;
    const before = await connectEngine(brokerAddress);
    await before.send('orders', 'first');
    await before.pull('orders', { offset: 1, commitOffset: 1 });
    await broker.restart(0);
    await before.channel.closed;
    expect([broker.nameServer, broker.brokerAddress]).toEqual([nameServer, brokerAddress]);
    const after = await connectEngine(brokerAddress);
    expect((await after.pull('orders')).bodies).toEqual(['first']);
    expect(broker.engine.offsets.get({ group: 'group', topic: 'orders', queueId: 0 })).toBe(1);
    expect((await after.send('orders', 'second')).queueOffset).toBe(1n);
  });

  it('is away meanwhile', async () => {
    const broker = await startTestEngine();
    const { brokerAddress } = broker;
    const restarted = broker.restart(100);
    await vi.waitFor(async () => expect(await isOpen(brokerAddress)).toBe(false), { interval: 1, timeout: 20_000 });
    await restarted;
    expect(await isOpen(brokerAddress)).toBe(true);
  });

  it('waits for the one before', async () => {
    const broker = await startTestEngine();
    const { nameServer, brokerAddress } = broker;
    await Promise.all([broker.restart(5), broker.restart(0, true), broker.restart(0)]);
    expect([broker.nameServer, broker.brokerAddress]).toEqual([nameServer, brokerAddress]);
    expect(await isOpen(brokerAddress)).toBe(true);
  });

  it('may forget everything', async () => {
    const broker = await startTestEngine();
    await (await connectEngine(broker.brokerAddress)).send('orders', 'first');
    await broker.restart(0, true);
    const after = await connectEngine(broker.brokerAddress);
    expect(broker.engine.topics.get('orders')).toBeUndefined();
    expect((await after.send('orders', 'again')).queueOffset).toBe(0n);
  });

  it.each(['in memory', 'on disk'])('that is cut short by the end stays away %s', async (where) => {
    const dataDirectory = where === 'on disk' ? temporaryFolder() : undefined;
    const broker = await startTestEngine({ dataDirectory });
    const { nameServer, brokerAddress } = broker;
    const restarted = broker.restart(20);
    await broker.close();
    await restarted;
    expect(await isOpen(nameServer)).toBe(false);
    expect(await isOpen(brokerAddress)).toBe(false);
    // The folder is free again.
    if (dataDirectory !== undefined) await startTestEngine({ dataDirectory });
  });
});

/** Values that a field may have, and should not. */
const hostileValues = [
  ...['', '0', '1', '-1', '2147483647', '-2147483648', '2147483648', '9223372036854775807', '1e9', 'NaN', 'true'],
  ...[
    'orders',
    '%RETRY%group',
    '%DLQ%group',
    'rmq_sys_ENGINE_STATE',
    'SCHEDULE_TOPIC_XXXX',
    '__proto__',
    'a b',
    'TBW102',
  ],
  ...['x'.repeat(128), 'x'.repeat(300), '\u0000', '\u0001\u0002', 'TAGS\u0001a\u0002', '*', 'a > 1', '((((', 'SQL92'],
  ...['0 0 0 0 0 broker-a 0 0', '-1', '{}', '7F00000100002A9F0000000000000000', '+message.type=FIFO', '😀'],
];
const fieldNames = [
  ...'abcdefghijklmn',
  ...[
    'topic',
    'consumerGroup',
    'producerGroup',
    'group',
    'groupName',
    'queueId',
    'queueOffset',
    'offset',
    'maxMsgNums',
  ],
  ...['sysFlag', 'subscription', 'expressionType', 'expType', 'exp', 'invisibleTime', 'extraInfo', 'key', 'msgId'],
  ...['commitOffset', 'timestamp', 'delayLevel', 'readQueueNums', 'writeQueueNums', 'perm', 'attributes', 'bornTime'],
  ...['initMode', 'order', 'tranStateTableOffset', 'commitLogOffset', 'commitOrRollback', 'clientID', 'recallHandle'],
];
const hostileBodies = [
  ...['', '{}', '[]', 'null', '{"acks":[{}]}', '{"clientID":"c","consumerDataSet":[{}],"producerDataSet":[{}]}'],
  ...['{"mqSet":[{"topic":"orders","brokerName":"broker-a","queueId":-1}],"clientId":"c","consumerGroup":"group"}'],
  ...['{"topicConfigList":[{"topicName":"x"}]}', `${'['.repeat(1_000)}`, '\u0000'.repeat(100), 'x'.repeat(1_000)],
];
const codes = Object.values(RequestCode);

function hostileRequest(mutator: Mutator): Buffer {
  const extFields: ExtFields = newExtFields();
  for (let count = mutator.below(10); count > 0; count -= 1) {
    extFields[mutator.pick(fieldNames)] = mutator.pick(hostileValues);
  }
  // One-letter sends, and what most requests need, often enough to get past the first check.
  if (mutator.below(2) === 0) {
    Object.assign(extFields, { topic: 'orders', consumerGroup: 'group', queueId: '0', b: 'orders', a: 'p' });
    Object.assign(extFields, { e: '0', f: '0', g: '0', h: '0', queueOffset: '0', maxMsgNums: '1', sysFlag: '4' });
  }
  return bytesOf({
    code: mutator.pick(codes),
    opaque: mutator.below(1_000),
    flag: mutator.below(4) === 0 ? 2 : 0,
    extFields,
    body: Buffer.from(mutator.pick(hostileBodies)),
  });
}

describe('hostile clients', { timeout: 60_000 }, () => {
  it('leave the broker answering, with no mistake of its own, after 100,000 frames', async () => {
    const mistakes: unknown[] = [];
    const log: Log = { debug() {}, info() {}, warn() {}, error: (facts) => mistakes.push(facts) };
    const broker = await startTestEngine({ log });
    const mutator = new Mutator(20_261_123);
    const valid = [bytesOf({ code: 34 }), bytesOf(asCommand()), hostileRequest(mutator), hostileRequest(mutator)];
    const framesPerConnection = 400;
    const attack = async (address: string): Promise<void> => {
      const socket = connect(portOf(address), '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      const ended = new Promise((resolve) => socket.on('close', resolve));
      const frames = Array.from({ length: framesPerConnection - 1 }, () => hostileRequest(mutator));
      // The last one ends most connections.
      socket.end(Buffer.concat([...frames, mutator.mutate(valid)]));
      await ended;
    };
    for (let round = 0; round < 100_000 / framesPerConnection / 2; round += 1) {
      await Promise.all([attack(broker.brokerAddress), attack(broker.nameServer)]);
    }
    expect(mistakes).toEqual([]);
    const client = await connectEngine(broker.brokerAddress);
    const { queueOffset } = await client.send('afterwards', 'order 4711');
    expect(queueOffset).toBe(0n);
    expect((await client.pull('afterwards', { group: 'group' })).bodies).toEqual(['order 4711']);
  });
});

function asCommand(): Partial<Command> {
  const { code, extFields } = pullContent('orders');
  return { code, extFields };
}
