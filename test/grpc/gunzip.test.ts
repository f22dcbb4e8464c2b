import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { gunzipMessage } from '../../src/grpc/gunzip.ts';
import { StatusCode } from '../../src/grpc/status.ts';

describe('gunzipMessage', () => {
  test('takes what has as many bytes as are allowed, and no more', async () => {
    const zipped = gzipSync(Buffer.alloc(100_000, 'abc'));
    expect(await gunzipMessage(zipped, 100_000)).toEqual(Buffer.alloc(100_000, 'abc'));
    await expect(gunzipMessage(zipped, 99_999)).rejects.toMatchObject({ code: StatusCode.RESOURCE_EXHAUSTED });
    expect(await gunzipMessage(gzipSync(''), 10)).toHaveLength(0);
  });

  test('stops early where a bomb would go on', async () => {
    // 4 MiB of gzip that stand for 4 GiB: one member again and again.
    const member = gzipSync(Buffer.alloc(64 << 20));
    const bomb = Buffer.concat(Array.from({ length: 64 }, () => member));
    const before = process.memoryUsage().arrayBuffers;
    await expect(gunzipMessage(bomb, 5_242_880)).rejects.toMatchObject({ code: StatusCode.RESOURCE_EXHAUSTED });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  });

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('no gzip')],
    ['what is cut off', gzipSync('some text that is cut off').subarray(0, 20)],
    ['a wrong checksum', Buffer.concat([gzipSync('text').subarray(0, -8), Buffer.alloc(8)])],
  ])('refuses %s', async (_, bytes) => {
    await expect(gunzipMessage(bytes, 1_000)).rejects.toMatchObject({ code: StatusCode.INTERNAL });
  });
});
