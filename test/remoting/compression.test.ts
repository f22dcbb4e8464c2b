import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compressLz4 } from '../../src/remoting/compression/lz4-frame.ts';
import { canCompress, compressBody, decompressBody } from '../../src/remoting/compression.ts';
import { RemotingError } from '../../src/remoting/errors.ts';
import { bodyCrcOf, type StoredMessage } from '../../src/remoting/stored-message.ts';
import { SysFlag } from '../../src/remoting/sys-flag.ts';
import { compressedLines } from '../support/compressed-lines.ts';
import { Mutator } from '../support/mutator.ts';

const mebibyte = 1_048_576;
const fourMebibytes = Buffer.alloc(4 * mebibyte);
const zlibFlag = SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZLIB;

function stored(body: Buffer, sysFlag: number): StoredMessage {
  return {
    topic: 't',
    queueId: 0,
    queueOffset: 0n,
    commitLogOffset: 0n,
    flag: 0,
    sysFlag,
    bornTimestampMs: 0,
    bornHost: '127.0.0.1:1',
    storeTimestampMs: 0,
    storeHost: '127.0.0.1:1',
    reconsumeTimes: 0,
    preparedTransactionOffset: 0n,
    bodyCrc: bodyCrcOf(body),
    body,
    properties: new Map(),
  };
}

/** `zip ` a hundred times, by the compressors of rocketmq-common 5.5.0. */
const zips: Readonly<Record<number, string>> = {
  [SysFlag.COMPRESSION_LZ4]: '04224d186070730f0000004f7a6970200400ff7550207a69702000000000',
  [SysFlag.COMPRESSION_ZSTD]: '28b52ffd00585c0000207a697020010089ab8e08010000',
};

describe('decompressBody', () => {
  // UtilAll.compress of rocketmq-common 5.5.0, level 5.
  const byJava = Buffer.from('785eabca2c50a81ac583060300bc6390ed', 'hex');

  test.each([SysFlag.COMPRESSION_LZ4, SysFlag.COMPRESSION_ZSTD])('reads what Java compressed as %i', async (type) => {
    const body = Buffer.from(zips[type] ?? '', 'hex');
    const unfolded = await decompressBody(stored(body, SysFlag.COMPRESSED | type), 400);
    expect(unfolded.toString()).toBe('zip '.repeat(100));
  });

  test.each([
    ['with the type zlib', zlibFlag],
    ['without a type, as older clients send', SysFlag.COMPRESSED],
  ])('reads what Java compressed, %s', async (_, sysFlag) => {
    const body = await decompressBody(stored(byJava, sysFlag), 400);
    expect(body.toString()).toBe('zip '.repeat(100));
  });

  test('returns a body as it is that is not compressed, whatever type it names', async () => {
    const body = Buffer.from('plain');
    expect(await decompressBody(stored(body, SysFlag.COMPRESSION_LZ4), 1)).toBe(body);
  });

  test('returns an empty body as it is', async () => {
    expect(await decompressBody(stored(Buffer.alloc(0), zlibFlag), 1)).toHaveLength(0);
  });

  test('unfolds up to the limit, and not one byte more', async () => {
    const body = deflateSync(Buffer.alloc(mebibyte, 'x'));
    expect(await decompressBody(stored(body, zlibFlag), mebibyte)).toHaveLength(mebibyte);
    await expect(decompressBody(stored(body, zlibFlag), mebibyte - 1)).rejects.toThrow('more than 1048575 bytes');
  });

  test('a body that unfolds a thousandfold costs little more memory than the limit', async () => {
    const bomb = deflateSync(Buffer.alloc(64 * mebibyte));
    const peakBefore = process.resourceUsage().maxRSS;
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, () => decompressBody(stored(bomb, zlibFlag), mebibyte)),
    );
    const grownKibibytes = process.resourceUsage().maxRSS - peakBefore;
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { kind: 'malformed' } });
    // Sixteen of them unfolded as a whole would be 1 GiB.
    expect(grownKibibytes).toBeLessThan(128 * 1024);
  });

  test.each([
    ['text', Buffer.from('this is no zlib stream')],
    ['gzip', gzipSync('x')],
    ['raw deflate', deflateRawSync('x')],
    ['a stream that is cut', deflateSync(Buffer.alloc(1000, 'abc')).subarray(0, 10)],
    ['a stream with a damaged checksum', Buffer.concat([byJava.subarray(0, -1), Buffer.from([0])])],
  ])('refuses %s', async (_, body) => {
    const failure = decompressBody(stored(body, zlibFlag), mebibyte);
    await expect(failure).rejects.toThrow(RemotingError);
    await expect(failure).rejects.toMatchObject({ kind: 'malformed', cause: expect.any(Error) });
  });

  test('names a type that it does not know', async () => {
    const failure = decompressBody(stored(byJava, SysFlag.COMPRESSED | 0x400), mebibyte);
    await expect(failure).rejects.toThrow(RemotingError);
    await expect(failure).rejects.toThrow('unknown type 4');
  });

  test.each([
    ['LZ4', SysFlag.COMPRESSION_LZ4],
    ['ZSTD', SysFlag.COMPRESSION_ZSTD],
  ])('refuses as %s what is none', async (name, type) => {
    const failure = decompressBody(stored(byJava, SysFlag.COMPRESSED | type), mebibyte);
    await expect(failure).rejects.toThrow(RemotingError);
    await expect(failure).rejects.toThrow(name);
  });
});

describe('whatever is said to be', () => {
  const bodyBytesMax = 150_000;

  /** Ten thousand bodies of each kind, made of good ones. */
  test.each([
    ['LZ4', SysFlag.COMPRESSION_LZ4, ['lines-java.lz4']],
    ['ZSTD', SysFlag.COMPRESSION_ZSTD, ['lines-java.zst', 'lines-1.zst', 'lines-19.zst']],
  ])('%s gives a body within the limit or a RemotingError, soon', { timeout: 120_000 }, async (_, type, names) => {
    const mutator = new Mutator(5);
    const samples = [...names.map((name) => compressedLines(name)), Buffer.from(zips[type] ?? '', 'hex')];
    let refusedCount = 0;
    let slowestMs = 0;
    for (let round = 0; round < 10_000; round += 1) {
      // Mostly the small one: where all bytes are heads, changes hit them.
      const body = mutator.mutate(round % 10 === 0 ? samples : samples.slice(-1));
      const beganMs = process.cpuUsage().user / 1_000;
      try {
        const unfolded = await decompressBody(stored(body, SysFlag.COMPRESSED | type), bodyBytesMax);
        expect(unfolded.length).toBeLessThanOrEqual(bodyBytesMax);
      } catch (cause) {
        if (!(cause instanceof RemotingError)) throw new Error(`failed on ${body.toString('hex')}`, { cause });
        refusedCount += 1;
      }
      slowestMs = Math.max(slowestMs, process.cpuUsage().user / 1_000 - beganMs);
    }
    expect(refusedCount).toBeGreaterThan(1_000);
    expect(refusedCount).toBeLessThan(10_000);
    expect(slowestMs).toBeLessThan(1_000);
  });

  test.each([
    ['LZ4', SysFlag.COMPRESSION_LZ4, async () => Buffer.concat(Array(16).fill(await compressLz4(fourMebibytes)))],
    ['ZSTD', SysFlag.COMPRESSION_ZSTD, async () => compressedLines('zeros.zst')],
  ])('%s and unfolds to 64 MiB costs little more memory than the limit', async (_, type, bomb) => {
    const body = await bomb();
    const before = process.memoryUsage().arrayBuffers;
    const failure = decompressBody(stored(body, SysFlag.COMPRESSED | type), mebibyte);
    await expect(failure).rejects.toMatchObject({ kind: 'malformed' });
    // While it grows, what it has outgrown is still there.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * mebibyte + 65_536);
  });
});

describe('compressBody', () => {
  const text = Buffer.from('some text that repeats; '.repeat(400));

  test.each(['zlib', 'lz4'] as const)('%s makes it smaller, and says how', async (type) => {
    const { body, sysFlag } = await compressBody(text, type);
    expect(body.length).toBeLessThan(text.length / 10);
    expect(sysFlag & SysFlag.COMPRESSED).toBe(SysFlag.COMPRESSED);
    expect((await decompressBody(stored(body, sysFlag), text.length)).equals(text)).toBe(true);
  });

  test.each(['zlib', 'lz4'] as const)('%s leaves as it is what would not become smaller', async (type) => {
    const body = Uint8Array.of(1, 2, 3);
    expect(await compressBody(body, type)).toEqual({ body: Buffer.from(body), sysFlag: 0 });
  });

  test('ZSTD is written where Node can, and nowhere else', async () => {
    if (!canCompress('zstd')) {
      await expect(compressBody(text, 'zstd')).rejects.toThrow(TypeError);
      return;
    }
    const { body, sysFlag } = await compressBody(text, 'zstd');
    expect(sysFlag).toBe(SysFlag.COMPRESSED | SysFlag.COMPRESSION_ZSTD);
    expect((await decompressBody(stored(body, sysFlag), text.length)).equals(text)).toBe(true);
  });
});
