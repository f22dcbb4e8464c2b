import { describe, expect, it } from 'vitest';
import { ProtoWriter, protoKeptBytesMax } from '../../src/wire/proto-writer.ts';

/** What is written, in hex. */
function written(write: (writer: ProtoWriter) => void): string {
  const writer = new ProtoWriter();
  write(writer);
  return writer.written().toString('hex');
}

describe('ProtoWriter writes', () => {
  it.each([
    [0n, '00'],
    [127n, '7f'],
    [128n, '8001'],
    [0xffff_ffffn, 'ffffffff0f'],
    [0x1_0000_0000n, '8080808010'],
    [2n ** 53n - 1n, 'ffffffffffffff0f'],
    [2n ** 53n, '8080808080808010'],
    [2n ** 53n + 1n, '8180808080808010'],
    [2n ** 63n - 1n, 'ffffffffffffffff7f'],
    [-1n, 'ffffffffffffffffff01'],
    [-(2n ** 63n), '80808080808080808001'],
  ])('the int64 %s', (value, hex) => {
    expect(written((writer) => writer.int64(8, value))).toBe(`08${hex}`);
  });

  it.each([
    [0, '00'],
    [0x7fff_ffff, 'ffffffff07'],
    [-1, 'ffffffffffffffffff01'],
    [-0x8000_0000, '80808080f8ffffffff01'],
  ])('the int32 %s', (value, hex) => {
    expect(written((writer) => writer.int32(8, value))).toBe(`08${hex}`);
  });

  it.each([0, 1, 63, 64, 65, 5_000])('parts of bytes, as it writes all of them: %s', (length) => {
    const source = Uint8Array.from({ length: length + 7 }, (_, index) => index);
    const [part, whole] = [new ProtoWriter(), new ProtoWriter()];
    part.part(0x52, source, 3, 3 + length);
    whole.bytes(0x52, source.subarray(3, 3 + length));
    expect(part.written()).toEqual(whole.written());
  });

  it('bools', () => {
    expect(written((writer) => writer.bool(8, true))).toBe('0801');
    expect(written((writer) => writer.bool(8, false))).toBe('0800');
  });

  it.each([0, 1, 24, 25, 42, 43, 63, 64, 127, 128, 5_461, 5_462, 16_383, 16_384, 70_000, 2_097_151, 2_097_152])(
    'texts of %s characters of one byte and of three',
    (length) => {
      for (const character of ['x', '€']) {
        const text = character.repeat(length);
        const bytes = Buffer.from(text);
        const viaBytes = written((writer) => writer.bytes(10, bytes));
        // Vitest would print megabytes.
        expect(written((writer) => writer.string(10, text)) === viaBytes).toBe(true);
        expect(viaBytes.endsWith(bytes.toString('hex'))).toBe(true);
      }
    },
  );

  it('halves of surrogate pairs as U+FFFD', () => {
    expect(written((writer) => writer.string(10, 'a\ud800'))).toBe('0a0461efbfbd');
  });

  it.each([0, 125, 126, 16_380, 16_381, 300_000])('a message with a field of %s bytes inside another', (length) => {
    const value = new Uint8Array(length).fill(7);
    const inner = Buffer.from(
      written((writer) => writer.bytes(10, value)),
      'hex',
    );
    const nested = written((writer) => {
      const start = writer.begin(0x1a);
      writer.bytes(10, value);
      writer.end(start);
    });
    expect(nested === written((writer) => writer.bytes(0x1a, inner))).toBe(true);
  });

  it('maps in their order, with keys of any name', () => {
    const record = JSON.parse('{"b":"1","":"","__proto__":"x"}');
    expect(written((writer) => writer.map(10, record))).toBe(
      `0a06${'0a01621201310a040a0012000a0e0a09'}${Buffer.from('__proto__').toString('hex')}120178`,
    );
  });

  it('tags of more than one byte', () => {
    expect(written((writer) => writer.bool(0xffff_fff8, true))).toBe('f8ffffff0f01');
  });
});

describe('ProtoWriter', () => {
  it.each([0x8000_0000, -0x8000_0001, 0.5, Number.NaN])('refuses the int32 %s', (value) => {
    const refusal = { name: 'ProtoError', kind: 'range', message: `${value} is no signed integer of 32 bits` };
    expect(() => new ProtoWriter().int32(8, value)).toThrow(expect.objectContaining(refusal));
  });

  it.each([2n ** 63n, -(2n ** 63n) - 1n])('refuses the int64 %s', (value) => {
    const refusal = { name: 'ProtoError', kind: 'range', message: `${value} is no signed integer of 64 bits` };
    expect(() => new ProtoWriter().int64(8, value)).toThrow(expect.objectContaining(refusal));
  });

  it('writes the next message over the last, and keeps no more room than it may', () => {
    const writer = new ProtoWriter();
    writer.string(10, 'one');
    writer.reset();
    expect(writer.written()).toHaveLength(0);
    writer.string(10, 'two');
    expect(writer.written().toString('latin1')).toBe('\n\x03two');
    const grown = writer.written().buffer;
    writer.reset();
    expect(writer.written().buffer).toBe(grown);
    // With what it leaves free for a tag and a length, exactly as much as it keeps; then one byte more.
    writer.bytes(10, new Uint8Array(protoKeptBytesMax - 15));
    writer.reset();
    const kept = writer.written().buffer;
    writer.bytes(10, new Uint8Array(protoKeptBytesMax - 14));
    writer.reset();
    expect(kept.byteLength).toBe(protoKeptBytesMax);
    expect(writer.written().buffer.byteLength).toBeLessThan(kept.byteLength);
  });

  it('makes no more room for a long text than it takes', () => {
    const writer = new ProtoWriter();
    writer.string(10, 'é'.repeat(2_097_152));
    expect(writer.written().buffer.byteLength).toBe(4_194_304 + 15);
    expect(writer.written()).toHaveLength(4_194_304 + 5);
  });
});
