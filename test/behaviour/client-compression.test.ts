import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compressBody } from '../../src/remoting/compression.ts';
import { RequestCode } from '../../src/remoting/request-code.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { outgoing, Reader, RealClients, soon } from '../support/real-client.ts';
import { describeOnTarget, startTarget, type Target } from './target.ts';

const mebibyte = 1_048_576;

describeOnTarget('compression', () => {
  let cluster: Target;
  let clients: RealClients;

  beforeAll(async () => {
    cluster = await startTarget();
    clients = new RealClients(cluster.nameServer);
  });

  afterAll(async () => {
    await clients?.close();
    await cluster?.stop();
  });

  /** Sends a body that is compressed already, or says so. */
  async function sendAs(topic: string, sysFlag: number, body: Uint8Array): Promise<void> {
    const fields = {
      a: 'producers',
      b: topic,
      c: 'TBW102',
      d: '4',
      e: '0',
      f: String(sysFlag),
      g: String(Date.now()),
      h: '0',
    };
    expect(await cluster.brokerCall(RequestCode.SEND_MESSAGE_V2, fields, body)).toMatchObject({ code: 0 });
  }

  test.each(['zlib', 'lz4'] as const)('bodies sent as %s come as they were, up to the largest', async (type) => {
    const client = clients.create({ compression: { type, overBytes: 100 } });
    const topic = `compressed-${type}`;
    await cluster.createTopic(topic);
    const reader = await Reader.open(client, { topic, group: topic });
    const text = (length: number): string =>
      'Ein Satz, der sich wiederholt, 😀; '.repeat(length / 34 + 1).slice(0, length);
    const bodies = [text(99), text(100), text(5_000), Buffer.alloc(4 * mebibyte, text(70_000))];
    for (const body of bodies) await client.producer.send(outgoing(topic, body), soon());
    await reader.count(bodies.length);
    await reader.stop();
    const byLength = (one: Buffer, other: Buffer): number => one.length - other.length;
    const received = reader.messages.map(({ body }) => body).toSorted(byLength);
    const expected = bodies.map((body) => Buffer.from(body)).toSorted(byLength);
    expect(received.map((body, index) => body.equals(expected[index] ?? Buffer.alloc(0)))).toEqual(
      bodies.map(() => true),
    );
  });

  test('a body that unfolds to more than may be, or that is damaged, keeps no other from coming', async () => {
    const client = clients.create();
    await cluster.createTopic('bombs', { queueCount: 1 });
    const reader = await Reader.open(client, { topic: 'bombs', group: 'bombs' });
    const bomb = await compressBody(Buffer.alloc(64 * mebibyte), 'lz4');
    const zlib = SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB;
    await sendAs('bombs', bomb.sysFlag, bomb.body);
    await sendAs('bombs', zlib, deflateSync(Buffer.alloc(64 * mebibyte)));
    await sendAs('bombs', zlib, Buffer.from('this is not what zlib makes'));
    await sendAs('bombs', SysFlag.COMPRESSED | SysFlag.COMPRESSION_LZ4, bomb.body.subarray(0, 1_000));
    await sendAs('bombs', SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZSTD, Buffer.from('this is not what ZSTD makes'));
    await client.producer.send(outgoing('bombs', 'good'), soon());
    await reader.count(1);
    await reader.stop();
    expect(reader.bodies).toEqual(['good']);
    expect(clients.log.troubles.filter((text) => text.includes('cannot be read')).length).toBeGreaterThanOrEqual(5);
  });
});
