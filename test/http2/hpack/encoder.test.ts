import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HpackDecoder } from '../../../src/http2/hpack/decoder.ts';
import { HpackEncoder } from '../../../src/http2/hpack/encoder.ts';
import type { HeaderField } from '../../../src/http2/hpack/header-field.ts';

function list(fields: Readonly<Record<string, string>>): HeaderField[] {
  return Object.entries(fields).map(([name, value]) => ({ name, value }));
}

/** A block in hexadecimal, of an encoder that keeps to the room that it asked for. */
function block(encoder: HpackEncoder, fields: readonly HeaderField[]): Buffer {
  const target = Buffer.alloc(1 + encoder.encodedBytesMax(fields));
  return target.subarray(1, encoder.encode(fields, target, 1));
}

function decoder(tableBytesMax = 4_096): HpackDecoder {
  return new HpackDecoder({ tableBytesMax, listBytesMax: 1_000_000, fieldsMax: 1_000 });
}

const head = list({ ':status': '200', 'content-type': 'application/grpc' });
const trailers = list({ 'grpc-status': '0' });

describe('HpackEncoder', () => {
  test('needs one octet for each field that repeats', () => {
    const encoder = new HpackEncoder();
    const peer = decoder();
    for (const round of [1, 2, 3]) {
      for (const fields of [head, trailers]) {
        const bytes = block(encoder, fields);
        expect(peer.decode(bytes).fields).toEqual(fields);
        if (round === 3) expect(bytes).toHaveLength(fields.length);
      }
    }
  });

  test('writes what RFC 7541 says', () => {
    const encoder = new HpackEncoder();
    expect(block(encoder, list({ ':status': '204' })).toString('hex')).toBe('89');
    const custom = list({ 'custom-key': 'custom-header' });
    const value = '0d637573746f6d2d686561646572';
    expect(block(encoder, custom).toString('hex')).toBe(`000a637573746f6d2d6b6579${value}`);
    expect(block(encoder, custom).toString('hex')).toBe(`400a637573746f6d2d6b6579${value}`);
    expect(block(encoder, custom).toString('hex')).toBe('be');
    // The name by its index, of either table.
    expect(block(encoder, list({ 'custom-key': 'a', ':path': '/sample/path' })).toString('hex')).toBe(
      `0f2f0161040c${Buffer.from('/sample/path').toString('hex')}`,
    );
  });

  test('leaves alone what varies', () => {
    const encoder = new HpackEncoder();
    for (const fields of [head, head, trailers, trailers]) block(encoder, fields);
    for (let count = 0; count < 1_000; count += 1) {
      const bytes = block(encoder, list({ 'grpc-status': '5', 'grpc-message': `topic ${count} does not exist` }));
      expect(bytes.at(-1)).not.toBe(0x40);
    }
    expect(block(encoder, [...head, ...trailers])).toHaveLength(3);
  });

  test('never indexes secrets, and says so to those behind', () => {
    const encoder = new HpackEncoder();
    const secret = list({ 'set-cookie': 'id=1' });
    for (let round = 0; round < 3; round += 1) expect(block(encoder, secret).toString('hex')).toBe('1f280469643d31');
  });

  test('never indexes values of more than 128 octets', () => {
    for (const [length, last] of [
      [128, 1],
      [129, 134],
    ] as const) {
      const encoder = new HpackEncoder();
      const fields = list({ a: 'x'.repeat(length) });
      for (let round = 0; round < 2; round += 1) block(encoder, fields);
      expect(block(encoder, fields)).toHaveLength(last);
    }
  });

  test('remembers no more names than it may', () => {
    const encoder = new HpackEncoder();
    const first = list({ first: '1' });
    block(encoder, first);
    for (let count = 0; count < 63; count += 1) block(encoder, list({ [`name-${count}`]: '1' }));
    // Still known: added now.
    expect(block(encoder, first)[0]).toBe(0x40);
    const second = list({ second: '2' });
    for (let round = 0; round < 2; round += 1) block(encoder, list({ 'name-0': `${round}` }));
    block(encoder, second);
    for (let count = 100; count < 164; count += 1) block(encoder, list({ [`name-${count}`]: '1' }));
    expect(block(encoder, second)[0]).toBe(0x00);
  });

  test('tells the size of its table when it changes, with the smallest in between', () => {
    const encoder = new HpackEncoder();
    encoder.setTableBytesMax(4_096);
    expect(block(encoder, []).toString('hex')).toBe('');
    encoder.setTableBytesMax(65_536);
    expect(block(encoder, []).toString('hex')).toBe('');
    encoder.setTableBytesMax(256);
    expect(block(encoder, []).toString('hex')).toBe('3fe101');
    expect(block(encoder, []).toString('hex')).toBe('');
    encoder.setTableBytesMax(0);
    encoder.setTableBytesMax(30);
    encoder.setTableBytesMax(256);
    expect(block(encoder, []).toString('hex')).toBe('203fe101');
    encoder.setTableBytesMax(0xffff_ffff);
    expect(block(encoder, []).toString('hex')).toBe('3fe11f');
    encoder.setTableBytesMax(0);
    for (let round = 0; round < 3; round += 1) {
      expect(block(encoder, trailers).toString('hex')).toContain(Buffer.from('grpc-status').toString('hex'));
    }
  });

  test('writes long names and values, within the room that it asked for', () => {
    for (const length of [126, 127, 128, 254, 255, 16_510, 16_511, 100_000]) {
      const fields = list({ ['n'.repeat(length)]: 'v'.repeat(length), 'x-octets': '\u0000ÿ' });
      expect(decoder().decode(block(new HpackEncoder(), fields)).fields).toEqual(fields);
    }
  });

  test('is understood by our decoder, whatever is sent and however the table changes', () => {
    const name = fc.constantFrom(':status', 'content-type', 'a', 'b', 'grpc-message', 'set-cookie', 'x'.repeat(100));
    const value = fc.oneof(
      fc.constantFrom('', '0', '200', '404', 'y'.repeat(127)),
      fc.string({ unit: 'binary-ascii' }),
    );
    const sizes = fc.array(fc.constantFrom(0, 40, 100, 300, 4_096, 100_000), { maxLength: 3 });
    const step = fc.record({ sizes, fields: fc.array(fc.record({ name, value }), { maxLength: 6 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder();
        const peer = decoder();
        for (const { sizes, fields } of steps) {
          for (const size of sizes) encoder.setTableBytesMax(size);
          expect(peer.decode(block(encoder, fields)).fields).toEqual(fields);
        }
      }),
      { seed: 7541, numRuns: 500 },
    );
  });
});
