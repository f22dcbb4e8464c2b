import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CompressionOptions } from '../../../src/client/options.ts';
import { canCompress, decompressBody } from '../../../src/remoting/compression.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { SysFlag } from '../../../src/remoting/sys-flag.ts';
import { outgoing } from '../../support/real-client.ts';
import { type ScriptedCluster, startScriptedCluster, storingScript } from '../../support/scripted-cluster.ts';
import type { ScriptedPeer } from '../../support/scripted-peer.ts';

const { SEND_MESSAGE_V2 } = RequestCode;
const soon = (): Deadline => Deadline.after(10_000);
const text = (length: number): string => 'a text that repeats; '.repeat(length / 21 + 1).slice(0, length);

describe('a producer', () => {
  let cluster: ScriptedCluster;
  let broker: ScriptedPeer;

  beforeEach(async () => {
    cluster = await startScriptedCluster(1);
    const [only] = cluster.brokers;
    if (only === undefined) throw new Error('there is one');
    broker = only;
  });

  afterEach(() => cluster.stop());

  /** What arrived of each send: its sysFlag and its body. */
  const sent = (): { sysFlag: number; body: Buffer }[] =>
    broker.requests(SEND_MESSAGE_V2).map(({ extFields, body }) => ({ sysFlag: Number(extFields['f']), body }));

  const sentWith = async (compression: CompressionOptions, body: string, bodyBytesMax = 4_194_304) => {
    const { producer } = cluster.client({ compression, bodyBytesMax });
    await producer.send(outgoing('topic', body), soon());
    const last = sent().at(-1);
    if (last === undefined) throw new Error('nothing was sent');
    return last;
  };

  test('compresses bodies of 4,096 bytes and more as zlib, as Java does', async () => {
    const { producer } = cluster.client();
    await producer.send(outgoing('topic', text(4_095)), soon());
    await producer.send(outgoing('topic', text(4_096)), soon());
    const [small, large] = sent();
    expect(small).toEqual({ sysFlag: 0, body: Buffer.from(text(4_095)) });
    expect(large?.sysFlag).toBe(SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB);
    expect(large?.body.length).toBeLessThan(200);
    expect(large && (await decompressBody(large, 4_096)).toString()).toBe(text(4_096));
  });

  test('compresses as it is told to', async () => {
    const lz4 = await sentWith({ type: 'lz4', overBytes: 100 }, text(100));
    expect(lz4.sysFlag).toBe(SysFlag.COMPRESSED | SysFlag.COMPRESSION_LZ4);
    expect((await decompressBody(lz4, 100)).toString()).toBe(text(100));
    expect(await sentWith({ type: 'lz4', overBytes: 100 }, text(99))).toMatchObject({ sysFlag: 0 });
    expect(await sentWith({ type: 'none', overBytes: 0 }, text(9_999))).toMatchObject({ sysFlag: 0 });
  });

  test('leaves a body as it is that receivers could not unfold', async () => {
    const compression = { type: 'zlib', overBytes: 100 } as const;
    expect((await sentWith(compression, text(200), 200)).sysFlag).not.toBe(0);
    expect(await sentWith(compression, text(201), 200)).toEqual({ sysFlag: 0, body: Buffer.from(text(201)) });
  });

  test('compresses half messages too', async () => {
    const { producer } = cluster.client();
    const half = { producerGroup: 'group', checkImmunitySeconds: undefined };
    await producer.sendHalf(outgoing('topic', text(5_000)), half, soon());
    const flags = SysFlag.TRANSACTION_PREPARED | SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB;
    expect(sent()[0]?.sysFlag).toBe(flags);
  });

  test('sends the same bytes when it tries again', async () => {
    const store = storingScript(broker.address);
    broker.on(SEND_MESSAGE_V2, (request, connection) =>
      sent().length === 1 ? { code: ResponseCode.SYSTEM_BUSY } : store(request, connection),
    );
    await cluster.client().producer.send(outgoing('topic', text(5_000)), soon());
    const [first, second] = sent();
    expect(first?.sysFlag).not.toBe(0);
    expect(second).toEqual(first);
  });

  test('is not made where Node cannot compress so', () => {
    const create = () => cluster.client({ compression: { type: 'zstd', overBytes: 0 } });
    if (canCompress('zstd')) expect(create).not.toThrow();
    else expect(create).toThrow(expect.objectContaining({ name: 'ClientError', kind: 'unsupported' }));
  });

  test('says whose messages they are', async () => {
    await cluster.client({ namespace: 'ns' }).producer.send(outgoing('topic', 'x'), soon());
    expect(broker.requests(SEND_MESSAGE_V2)[0]?.extFields['i']).toContain('INSTANCE_ID\u0001ns');
  });
});
