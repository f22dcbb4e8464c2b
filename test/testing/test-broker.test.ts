import { deflateSync } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { encodeHeartbeat } from '../../src/remoting/requests/heartbeat.ts';
import { sendMessageBack } from '../../src/remoting/requests/send-message-back.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../src/testing/test-broker.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { connectEngine, type EngineClient, temporaryFolder } from '../support/engine-client.ts';

async function start(options: TestBrokerOptions = {}): Promise<{ broker: TestBroker; client: EngineClient }> {
  const broker = await startTestBroker(options);
  onTestFinished(() => broker.close());
  return { broker, client: await connectEngine(broker.brokerAddress) };
}

const bodiesIn = (broker: TestBroker, topic: string): string[] =>
  broker.messages(topic).map(({ body }) => body.toString());

describe('a broker for tests', () => {
  it('is ready soon', async () => {
    await (await startTestBroker()).close();
    const startMs = performance.now();
    const { broker } = await start();
    const tookMs = performance.now() - startMs;
    // Alone it is a few ms; this machine may have other work.
    expect(tookMs).toBeLessThan(2_000);
    expect(broker.nameServer).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it('shows what lies in a topic, queue by queue in order', async () => {
    const { broker, client } = await start();
    const properties = { UNIQ_KEY: 'U1', TAGS: 'a', KEYS: 'k1  k2', own: 'x' };
    await client.send('orders', 'q1', { queueId: 1 });
    await client.send('orders', 'first', { properties, reconsumeTimes: 2, bornTimestampMs: 77 });
    await client.send('orders', 'second');
    expect(bodiesIn(broker, 'orders')).toEqual(['first', 'second', 'q1']);
    const [first, second] = broker.messages('orders');
    expect(first).toMatchObject({
      topic: 'orders',
      queueId: 0,
      queueOffset: 0,
      messageId: 'U1',
      tag: 'a',
      reconsumeTimes: 2,
    });
    expect(first).toMatchObject({ keys: ['k1', 'k2'], bornTimestampMs: 77, storeTimestampMs: expect.any(Number) });
    expect(first?.properties.get('own')).toBe('x');
    expect(second).toMatchObject({ tag: undefined, keys: [], queueOffset: 1 });
    expect(broker.messages('nothing')).toEqual([]);
  });

  it('undoes zlib, also of clients that do not name it, and nothing else', async () => {
    const { broker, client } = await start();
    const zlib = deflateSync('compressed');
    await client.send('orders', zlib, { sysFlag: SysFlag.COMPRESSED });
    await client.send('orders', zlib, { sysFlag: SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB });
    await client.send('orders', 'lz4', { sysFlag: SysFlag.COMPRESSED | SysFlag.COMPRESSION_LZ4 });
    expect(bodiesIn(broker, 'orders')).toEqual(['compressed', 'compressed', 'lz4']);
  });

  it('makes topics', async () => {
    const { broker, client } = await start({ autoCreateTopics: false });
    await expect(client.send('orders', 'body')).rejects.toMatchObject({ code: 17 });
    await broker.createTopic('orders', { queueCount: 2 });
    await broker.createTopic('four');
    await client.send('orders', 'body', { queueId: 1 });
    await expect(client.send('orders', 'body', { queueId: 2 })).rejects.toMatchObject({ code: 29 });
    await client.send('four', 'body', { queueId: 3 });
    await expect(broker.createTopic('a b')).rejects.toThrow();
  });

  it('has access keys', async () => {
    const accessKeys = [{ accessKey: 'key', secretKey: 'secret' }];
    const { broker, client } = await start({ accessKeys });
    await expect(client.send('orders', 'body')).rejects.toMatchObject({ code: 16 });
    const friend = await connectEngine(broker.brokerAddress, {
      credentials: { accessKey: 'key', secretKey: 'secret' },
    });
    await friend.send('orders', 'body');
    expect(broker.messages('orders')).toHaveLength(1);
  });

  it('delivers delayed messages when its clock says so, not before, and they are there at once', async () => {
    const clock = new VirtualClock();
    const { broker, client } = await start({ clock });
    await client.send('orders', 'level 3', { properties: { DELAY: '3' } });
    const at = `${clock.now() + 3_600_000}`;
    await client.send('orders', 'in an hour', { properties: { TIMER_DELIVER_MS: at } });
    await clock.advance(9_999);
    expect(bodiesIn(broker, 'orders')).toEqual([]);
    await clock.advance(1);
    expect(bodiesIn(broker, 'orders')).toEqual(['level 3']);
    await clock.advance(3_600_000);
    expect(bodiesIn(broker, 'orders')).toEqual(['level 3', 'in an hour']);
  });

  it('delivers many delayed messages of one moment by one step of its clock', async () => {
    const clock = new VirtualClock();
    const { broker, client } = await start({ clock });
    const sends = Array.from({ length: 2_000 }, (_, index) =>
      client.send('orders', `${index}`, { properties: { TIMER_DELAY_MS: '1000' } }),
    );
    await Promise.all(sends);
    await clock.advance(1_000);
    expect(broker.messages('orders')).toHaveLength(2_000);
  });

  it('shows retries and dead letters', async () => {
    const clock = new VirtualClock();
    const { broker, client } = await start({ clock });
    const { messageId } = await client.send('orders', 'bad');
    const offset = BigInt(`0x${messageId.slice(16)}`);
    const back = { group: 'shop', offset, originMessageId: messageId, originTopic: 'orders', unitMode: false };
    await client.ask(sendMessageBack, { ...back, delayLevel: 0, maxReconsumeTimes: 16 });
    expect(bodiesIn(broker, '%RETRY%shop')).toEqual([]);
    await clock.advance(10_000);
    expect(bodiesIn(broker, '%RETRY%shop')).toEqual(['bad']);
    await client.ask(sendMessageBack, { ...back, delayLevel: -1, maxReconsumeTimes: 16 });
    expect(bodiesIn(broker, '%DLQ%shop')).toEqual(['bad']);
  });

  it('wakes a long poll with a delayed message', async () => {
    const clock = new VirtualClock();
    const { client } = await start({ clock });
    await client.send('orders', 'later', { properties: { DELAY: '18' } });
    const held = client.pull('orders', { suspendMs: 30_000 });
    await vi.waitFor(() => expect(client.channel.inFlightCount).toBe(1), 20_000);
    await clock.advance(7_200_000);
    expect((await held).bodies).toEqual(['later']);
  });

  it('keeps messages over a restart, with its ports and faults', async () => {
    const { broker, client } = await start();
    const { nameServer, brokerAddress } = broker;
    await client.send('orders', 'kept');
    broker.faults.add({ topic: 'broken', fault: { kind: 'refuse', code: 2 } });
    await broker.restart();
    await client.channel.closed;
    expect([broker.nameServer, broker.brokerAddress]).toEqual([nameServer, brokerAddress]);
    const again = await connectEngine(brokerAddress);
    expect((await again.pull('orders')).bodies).toEqual(['kept']);
    await expect(again.send('broken', 'body')).rejects.toMatchObject({ code: 2 });
  });

  it('forgets everything on reset, with the same ports', async () => {
    const clock = new VirtualClock();
    const { broker, client } = await start({ clock });
    await client.send('orders', 'gone');
    await client.send('orders', 'delayed', { properties: { DELAY: '1' } });
    await client.invoke(encodeHeartbeat({ clientId: 'c', producerGroups: ['p'], consumers: [] }));
    broker.faults.add({ fault: { kind: 'refuse', code: 2 } });
    await broker.reset();
    await client.channel.closed;
    expect(broker.messages('orders')).toEqual([]);
    await clock.advance(60_000);
    expect(broker.messages('orders')).toEqual([]);
    const again = await connectEngine(broker.brokerAddress);
    expect((await again.send('orders', 'new')).queueOffset).toBe(0n);
  });

  it('keeps messages in a folder, which it does not empty', async () => {
    const dataDirectory = temporaryFolder();
    const { broker, client } = await start({ dataDirectory });
    await client.send('orders', 'kept');
    await expect(broker.reset()).rejects.toThrow('cannot be reset');
    await broker.close();
    const second = await start({ dataDirectory });
    expect(bodiesIn(second.broker, 'orders')).toEqual(['kept']);
  });

  it('ends with its block', async () => {
    const broker = await startTestBroker();
    const client = await connectEngine(broker.brokerAddress);
    await broker[Symbol.asyncDispose]();
    await client.channel.closed;
    await expect(connectEngine(broker.brokerAddress)).rejects.toMatchObject({ kind: 'connect' });
    await broker.close();
  });

  it('takes the port that it is given', async () => {
    const { broker } = await start();
    const port = Number(broker.nameServer.split(':')[1]);
    await expect(startTestBroker({ nameServerPort: port })).rejects.toMatchObject({ name: 'BrokerListenError', port });
    await broker.close();
    expect((await start({ nameServerPort: port })).broker.nameServer).toBe(`127.0.0.1:${port}`);
  });
});
