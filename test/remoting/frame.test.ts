import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RemotingError } from '../../src/remoting/errors.ts';
import { type Frame, FrameDecoder, frameBytesMaxDefault, writeFrameStart } from '../../src/remoting/frame.ts';
import { headerOf } from '../support/encoded-command.ts';

/** A frame by the protocol's own words, not by our encoder. */
function frameBytes(serialization: number, header: Buffer, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + header.length + body.length, 0);
  head.writeUInt8(serialization, 4);
  head.writeUIntBE(header.length, 5, 3);
  return Buffer.concat([head, header, body]);
}

function lengthField(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(length);
  return bytes;
}

function plain(frames: readonly Frame[]): unknown[] {
  return frames.map((frame) => ({
    serialization: frame.serialization,
    header: headerOf(frame).toString(),
    body: frame.body.toString('hex'),
  }));
}

function catchError(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

const sample = Buffer.concat([
  frameBytes(0, Buffer.from('{"code":1}'), Buffer.from('body one')),
  frameBytes(1, Buffer.alloc(0), Buffer.alloc(0)),
  frameBytes(255, Buffer.from('header'), Buffer.alloc(0)),
  frameBytes(0, Buffer.alloc(0), Buffer.from([0, 0, 0, 4])),
]);
const sampleFrames = [
  { serialization: 0, header: '{"code":1}', body: Buffer.from('body one').toString('hex') },
  { serialization: 1, header: '', body: '' },
  { serialization: 255, header: 'header', body: '' },
  { serialization: 0, header: '', body: '00000004' },
];

describe('FrameDecoder', () => {
  test('takes many frames from one chunk', () => {
    expect(plain(new FrameDecoder().push(sample))).toEqual(sampleFrames);
  });

  test('takes the same frames whatever two places the stream is cut at', { timeout: 60_000 }, () => {
    for (let first = 0; first <= sample.length; first += 1) {
      for (let second = first; second <= sample.length; second += 1) {
        const decoder = new FrameDecoder();
        const frames = [
          ...decoder.push(sample.subarray(0, first)),
          ...decoder.push(sample.subarray(first, second)),
          ...decoder.push(sample.subarray(second)),
        ];
        expect(plain(frames)).toEqual(sampleFrames);
        expect(decoder.bufferedBytes).toBe(0);
      }
    }
  });

  test('takes the same frames byte by byte, and holds no more than the frame in hand', () => {
    const decoder = new FrameDecoder();
    const frames: Frame[] = [];
    let held = 0;
    for (const byte of sample) {
      const completed = decoder.push(Buffer.from([byte]));
      held = completed.length > 0 ? 0 : held + 1;
      expect(decoder.bufferedBytes).toBe(held);
      frames.push(...completed);
    }
    expect(plain(frames)).toEqual(sampleFrames);
  });

  test('takes any frames in any pieces', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    const frame = fc.record({ serialization: fc.nat(255), header: bytes, body: bytes });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 200 })), (frames, sizes) => {
        const stream = Buffer.concat(frames.map((f) => frameBytes(f.serialization, f.header, f.body)));
        const decoder = new FrameDecoder();
        const taken: Frame[] = [];
        let at = 0;
        for (const size of [...sizes, stream.length]) {
          taken.push(...decoder.push(stream.subarray(at, at + size)));
          at += size;
        }
        const expected = frames.map(({ serialization, header, body }) => ({
          serialization,
          header: header.toString(),
          body: body.toString('hex'),
        }));
        expect(plain(taken)).toEqual(expected);
      }),
    );
  });

  test('does not copy a frame that arrives whole', () => {
    const [frame] = new FrameDecoder().push(sample);
    expect(frame?.body.buffer).toBe(sample.buffer);
    expect(frame?.body.byteOffset).toBe(sample.byteOffset + 8 + '{"code":1}'.length);
    expect(frame?.bytes).toBe(sample);
  });

  test('leaves the bytes of a frame alone when later ones arrive', () => {
    const decoder = new FrameDecoder();
    const frames = [...decoder.push(sample.subarray(0, 15)), ...decoder.push(sample.subarray(15))];
    decoder.push(sample.subarray(0, 15));
    decoder.push(Buffer.alloc(4, 0xff));
    expect(plain(frames)).toEqual(sampleFrames);
  });

  test.each([-2147483648, -1, 0, 3])('refuses a length of %i', (length) => {
    const decoder = new FrameDecoder();
    const error = catchError(() => decoder.push(lengthField(length)));
    expect(error).toBeInstanceOf(RemotingError);
    expect(error).toMatchObject({ kind: 'malformed', message: expect.stringContaining(String(length)) });
  });

  test('takes the least length, 4', () => {
    expect(plain(new FrameDecoder().push(Buffer.concat([lengthField(4), Buffer.alloc(4)])))).toEqual([
      { serialization: 0, header: '', body: '' },
    ]);
  });

  test('refuses a bad length as soon as its last byte has come', () => {
    const decoder = new FrameDecoder();
    expect(decoder.push(Buffer.from([0, 0, 0]))).toEqual([]);
    expect(catchError(() => decoder.push(Buffer.from([3])))).toMatchObject({ kind: 'malformed' });
  });

  test('takes a frame of exactly the limit and refuses one byte more by its length alone', { timeout: 60_000 }, () => {
    const body = Buffer.alloc(frameBytesMaxDefault - 8, 7);
    const [frame] = new FrameDecoder().push(frameBytes(0, Buffer.alloc(0), body));
    expect(frame?.body.equals(body)).toBe(true);
    expect(catchError(() => new FrameDecoder().push(lengthField(frameBytesMaxDefault - 4 + 1)))).toMatchObject({
      kind: 'malformed',
    });
    expect(new FrameDecoder(20).push(frameBytes(0, Buffer.alloc(5), Buffer.alloc(7)))).toHaveLength(1);
    expect(catchError(() => new FrameDecoder(20).push(lengthField(17)))).toMatchObject({ kind: 'malformed' });
  });

  test('takes a header that fills its frame and refuses one that is a byte longer', () => {
    const fits = frameBytes(0, Buffer.from('abcd'), Buffer.alloc(0));
    expect(plain(new FrameDecoder().push(fits))).toEqual([{ serialization: 0, header: 'abcd', body: '' }]);
    fits.writeUIntBE(5, 5, 3);
    expect(catchError(() => new FrameDecoder().push(fits))).toMatchObject({ kind: 'malformed' });
    fits.writeUIntBE(0xffffff, 5, 3);
    expect(catchError(() => new FrameDecoder().push(fits))).toMatchObject({ kind: 'malformed' });
  });

  test('takes the largest frame in 1 KiB pieces, and a large one byte by byte, in linear time', {
    timeout: 60_000,
  }, () => {
    const piece = 1024;
    const large = frameBytes(0, Buffer.from('{}'), Buffer.alloc(frameBytesMaxDefault - 10, 7));
    const decoder = new FrameDecoder();
    const frames: Frame[] = [];
    const startMs = performance.now();
    for (let at = 0; at < large.length; at += piece) frames.push(...decoder.push(large.subarray(at, at + piece)));
    const small = large.subarray(0, 1 << 18);
    small.writeInt32BE(small.length - 4, 0);
    for (let at = 0; at < small.length; at += 1) frames.push(...decoder.push(small.subarray(at, at + 1)));
    // Well under a second. Copying all that is held for each piece would move 128 GiB for the first frame alone.
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(frames.map((frame) => frame.body.length)).toEqual([frameBytesMaxDefault - 10, small.length - 10]);
  });
});

describe('chunks whose buffer is written to again', () => {
  /** What is left of frames once everything that came is overwritten. */
  function takeAll(stream: Buffer, cuts: readonly number[]): { frames: Frame[]; headers: string[] } {
    const decoder = new FrameDecoder(frameBytesMaxDefault, true);
    const buffer = Buffer.alloc(stream.length);
    const frames: Frame[] = [];
    const headers: string[] = [];
    let at = 0;
    for (const end of [...cuts, stream.length]) {
      stream.copy(buffer, 0, at, end);
      const taken = decoder.push(buffer.subarray(0, end - at));
      headers.push(...taken.map((frame) => headerOf(frame).toString()));
      frames.push(...taken);
      buffer.fill(0xee);
      at = end;
    }
    return { frames, headers };
  }

  test('leave whole bodies and halves of frames behind, whatever two places the stream is cut at', {
    timeout: 60_000,
  }, () => {
    const bodies = sampleFrames.map(({ body }) => body);
    const texts = sampleFrames.map(({ header }) => header);
    for (let first = 0; first <= sample.length; first += 1) {
      for (let second = first; second <= sample.length; second += 1) {
        const { frames, headers } = takeAll(sample, [first, second]);
        expect(frames.map(({ body }) => body.toString('hex'))).toEqual(bodies);
        expect(headers).toEqual(texts);
      }
    }
  });
});

describe('writeFrameStart', () => {
  const write = (headerBytes: number, bodyBytes: number, limit: number): Buffer => {
    const bytes = Buffer.alloc(10);
    writeFrameStart(bytes, 2, { serialization: 1, headerBytes, bodyBytes }, limit);
    return bytes.subarray(2);
  };

  test('writes what comes before the header', () => {
    const header = Buffer.from('{"code":1}');
    const body = Buffer.from('some body');
    const start = write(header.length, body.length, frameBytesMaxDefault);
    expect(Buffer.concat([start, header, body])).toEqual(frameBytes(1, header, body));
  });

  test('refuses a frame over the limit, which counts the length field', () => {
    expect(write(10, 82, 100).readInt32BE(0)).toBe(96);
    expect(catchError(() => write(10, 83, 100))).toMatchObject({ kind: 'malformed' });
  });

  test('refuses a header whose length does not fit 24 bits', () => {
    const limit = 2 ** 25;
    expect(write(0xff_ffff, 0, limit).readUIntBE(5, 3)).toBe(0xff_ffff);
    expect(catchError(() => write(0x100_0000, 0, limit))).toMatchObject({ kind: 'malformed' });
  });
});
