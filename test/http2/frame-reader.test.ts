import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { FrameReader } from '../../src/http2/frame-reader.ts';
import { frame, preface } from '../support/raw-http2.ts';

const sent = Buffer.concat([
  preface,
  frame(4, 0, 0),
  frame(0, 1, 0x7fff_ffff, Buffer.from('body')),
  frame(255, 255, 2 ** 31 + 3, Buffer.alloc(300, 7)),
  frame(6, 0, 0, Buffer.from('12345678')),
]);
const expected = ['4 0 0 ', '0 1 2147483647 626f6479', `255 255 3 ${'07'.repeat(300)}`, '6 0 0 3132333435363738'];

/** The frames in these chunks, as text. */
function framesOf(chunks: readonly Buffer[], reader = new FrameReader()): string[] {
  const frames: string[] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    while (reader.next()) {
      const { type, flags, streamId, bytes, start, end } = reader;
      frames.push(`${type} ${flags} ${streamId} ${bytes.toString('hex', start, end)}`);
    }
  }
  return frames;
}

describe('a frame reader', () => {
  it('finds the same frames wherever the bytes are cut', () => {
    for (let cut = 1; cut < sent.length; cut += 1) {
      const reader = new FrameReader();
      expect(framesOf([sent.subarray(0, cut), sent.subarray(cut)], reader)).toEqual(expected);
      expect([reader.isWithinFrame, reader.frameCount]).toEqual([false, 4]);
    }
  });

  it.each([1, 2, 3, 5, 8, 13])('finds them in pieces of %i bytes', (bytes) => {
    const chunks: Buffer[] = [];
    for (let start = 0; start < sent.length; start += bytes) chunks.push(sent.subarray(start, start + bytes));
    expect(framesOf(chunks)).toEqual(expected);
  });

  it('says whether a frame has begun that has not ended', () => {
    const reader = new FrameReader();
    const ends = [preface.length, preface.length + 9, preface.length + 9 + 13];
    for (let end = 1; end <= preface.length + 9 + 13; end += 1) {
      framesOf([sent.subarray(end - 1, end)], reader);
      expect(reader.isWithinFrame).toBe(!ends.includes(end));
    }
  });

  it('copies nothing of a frame that lies in one chunk', () => {
    const reader = new FrameReader();
    reader.feed(sent);
    while (reader.next()) expect(reader.bytes).toBe(sent);
  });

  it('takes frames of 16,384 bytes, and of no more, before it keeps any of their bytes', () => {
    expect(framesOf([preface, frame(0, 0, 1, Buffer.alloc(16_384))])).toHaveLength(1);
    const head = frame(0, 0, 1, Buffer.alloc(16_385)).subarray(0, 9);
    const tooLarge = expect.objectContaining({ code: ErrorCode.FRAME_SIZE_ERROR });
    expect(() => framesOf([preface, head])).toThrow(tooLarge);
    expect(() => framesOf([preface, head.subarray(0, 5), head.subarray(5)])).toThrow(tooLarge);
  });

  it('refuses another preface at its first byte that differs', () => {
    for (let at = 0; at < preface.length; at += 1) {
      const other = Buffer.from(preface.subarray(0, at + 1));
      other[at] = 0;
      const refused = expect.objectContaining({ code: ErrorCode.PROTOCOL_ERROR });
      expect(() => framesOf([other.subarray(0, at), other.subarray(at)])).toThrow(refused);
    }
  });
});
