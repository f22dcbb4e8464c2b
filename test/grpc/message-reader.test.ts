import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MessageReader } from '../../src/grpc/message-reader.ts';
import { GrpcError, StatusCode } from '../../src/grpc/status.ts';
import { prefixed } from '../support/served-grpc.ts';

/** Reads chunks as they come; what is in them changes behind each, as it does in a connection's buffer. */
class Reading {
  readonly messages: string[] = [];
  readonly #bytes: Buffer[] = [];
  readonly reader: MessageReader;

  constructor(bytesMax = 1_000_000) {
    this.reader = new MessageReader(bytesMax, {
      message: (bytes, isCompressed) => {
        this.#bytes.push(bytes);
        this.messages.push(`${isCompressed ? 'compressed ' : ''}${bytes}`);
      },
    });
  }

  push(chunk: Buffer): void {
    const own = Buffer.from(chunk);
    for (let position = 0; position < own.length; ) position = this.reader.read(own, position, own.length);
    own.fill(0xee);
  }

  /** What the messages are now, all chunks having gone. */
  get kept(): string[] {
    return this.#bytes.map(String);
  }
}

const body = Buffer.concat([prefixed('one'), prefixed(''), prefixed('three', 1), prefixed('')]);
const messages = ['one', '', 'compressed three', ''];

describe('MessageReader', () => {
  test('finds the same messages whatever two places the body is cut at', () => {
    for (let first = 0; first <= body.length; first += 1) {
      for (let second = first; second <= body.length; second += 1) {
        const reading = new Reading();
        for (const part of [body.subarray(0, first), body.subarray(first, second), body.subarray(second)])
          reading.push(part);
        reading.reader.end();
        expect(reading.messages).toEqual(messages);
        expect(reading.kept).toEqual(['one', '', 'three', '']);
      }
    }
  });

  test('finds them byte by byte, and stops behind each', () => {
    const reading = new Reading();
    for (const byte of body) reading.push(Buffer.of(byte));
    expect(reading.messages).toEqual(messages);
    const { reader, messages: read } = new Reading();
    expect(reader.read(body, 0, body.length)).toBe(8);
    expect(reader.read(body, 8, body.length)).toBe(13);
    expect(read).toEqual(['one', '']);
    expect(reader.read(body, 13, 20)).toBe(20);
    expect(read).toHaveLength(2);
  });

  test('puts long messages together', () => {
    for (const bytes of [65_535, 65_536, 65_537, 200_000]) {
      const text = 'long '.repeat(bytes).slice(0, bytes);
      const whole = Buffer.concat([prefixed(text), prefixed('next')]);
      const reading = new Reading();
      for (let start = 0; start < whole.length; start += 16_384) reading.push(whole.subarray(start, start + 16_384));
      expect(reading.kept.map((one) => one.length)).toEqual([bytes, 4]);
      expect(reading.kept[0] === text).toBe(true);
    }
  });

  test('refuses a message by its prefix, before anything else of it comes', () => {
    new Reading(100).push(prefixed(Buffer.alloc(100)));
    for (const claimed of [101, 0xffff_ffff]) {
      const error = expect.objectContaining({ code: StatusCode.RESOURCE_EXHAUSTED });
      expect(() => new Reading(100).push(prefixed('', 0, claimed))).toThrow(error);
    }
  });

  test.each([2, 3, 128, 255])('refuses flags %i by their byte alone', (flags) => {
    expect(() => new Reading().push(Buffer.of(flags))).toThrow(expect.objectContaining({ code: StatusCode.INTERNAL }));
  });

  test('refuses an end within a message', () => {
    for (let end = 1; end < 8; end += 1) {
      const reading = new Reading();
      reading.push(body.subarray(0, end));
      expect(() => reading.reader.end()).toThrow(expect.objectContaining({ code: StatusCode.INTERNAL }));
    }
  });

  test('sets little aside for what is only claimed', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readings = Array.from({ length: 100 }, () => new Reading(5_242_880));
    for (const reading of readings) reading.push(prefixed('x', 0, 5_242_880));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    expect(readings[0]?.messages).toEqual([]);
  });

  test('throws nothing but GrpcError, whatever it reads', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
        const reading = new Reading(50);
        try {
          for (const chunk of chunks) reading.push(Buffer.from(chunk));
          reading.reader.end();
        } catch (error) {
          expect(error).toBeInstanceOf(GrpcError);
        }
      }),
      { seed: 46, numRuns: 1_000 },
    );
  });
});
