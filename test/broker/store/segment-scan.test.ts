import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogFile } from '../../../src/broker/store/log-files.ts';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import { SegmentScan } from '../../../src/broker/store/segment-scan.ts';
import { draft, logBytes } from './support.ts';

interface Scanned {
  readonly bodies: string[];
  readonly damaged: [number, number][];
  readonly unreadable: number[];
  readonly end: number;
}

const start = 5_000;

function fileOf(bytes: Buffer): LogFile {
  const file = new MemoryFiles().create(0);
  file.write(bytes, 0);
  return file;
}

function scan(bytes: Buffer, isLast = true, file = fileOf(bytes)): Scanned {
  const scanned = { bodies: [] as string[], damaged: [] as [number, number][], unreadable: [] as number[] };
  const end = new SegmentScan({
    file,
    start,
    length: bytes.length,
    isLast,
    onRecord: (cursor) => scanned.bodies.push(cursor.body.toString('utf8', 0, 3)),
    onDamage: (from, to) => scanned.damaged.push([from, to]),
    onUnreadable: (position) => scanned.unreadable.push(position),
  }).run();
  return { ...scanned, end };
}

const one = (body: string, length = 3) => draft({ body: Buffer.from(body.padEnd(length, '.')) });
/** Appends of one record each, and where each starts. */
function singles(bodies: readonly string[], length = 3): { bytes: Buffer; starts: number[]; each: number } {
  const bytes = logBytes(
    start,
    bodies.map((body) => [one(body, length)]),
  );
  const each = bytes.length / bodies.length;
  return { bytes, each, starts: bodies.map((_, index) => index * each) };
}

test('records that are intact are told of, whatever the window cuts', () => {
  const bodies = Array.from({ length: 9 }, (_, index) => `b-${index}`);
  // Each takes a third of what is read at once, the last one more than all of it.
  const bytes = logBytes(start, [...bodies.map((body) => [one(body, 350_000)]), [one('big', 3_000_000)], [one('end')]]);
  expect(scan(bytes)).toEqual({ bodies: [...bodies, 'big', 'end'], damaged: [], unreadable: [], end: bytes.length });
});

test('nothing is in an empty file', () => {
  expect(scan(Buffer.alloc(0))).toEqual({ bodies: [], damaged: [], unreadable: [], end: 0 });
});

describe('damage', () => {
  const bodies = ['aaa', 'bbb', 'ccc'];
  const { bytes, each, starts } = singles(bodies);

  test('of any byte costs its own record only', () => {
    for (let at = 0; at < 2 * each; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      const hit = Math.floor(at / each);
      const from = starts[hit] ?? 0;
      expect(scan(damaged)).toEqual({
        bodies: bodies.filter((_, index) => index !== hit),
        damaged: [[from, from + each]],
        unreadable: [],
        end: bytes.length,
      });
    }
  });

  test('at the end of the log is what a crash leaves there: it is no part of it', () => {
    for (let cut = 2 * each; cut < bytes.length; cut += 1) {
      expect(scan(bytes.subarray(0, cut))).toMatchObject({ bodies: ['aaa', 'bbb'], damaged: [], end: 2 * each });
      const damaged = Buffer.from(bytes);
      damaged[cut] = (damaged[cut] ?? 0) ^ 0x41;
      expect(scan(damaged)).toMatchObject({ bodies: ['aaa', 'bbb'], damaged: [], end: 2 * each });
    }
  });

  test('at the end of a segment that others follow is damage', () => {
    const cut = bytes.subarray(0, bytes.length - 1);
    expect(scan(cut, false)).toMatchObject({
      bodies: ['aaa', 'bbb'],
      damaged: [[2 * each, cut.length]],
      end: cut.length,
    });
  });

  test('may be anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3 * each }), fc.nat(3 * each), fc.boolean(), (garbage, at, isLast) => {
        const damaged = Buffer.concat([bytes, bytes.subarray(0, 0)]);
        damaged.set(garbage.subarray(0, damaged.length - at), at);
        const found = scan(damaged, isLast).bodies;
        const last = Math.ceil(Math.min(at + garbage.length, damaged.length) / each);
        const kept = bodies.filter((_, index) => index < Math.floor(at / each) || index >= last);
        expect(bodies).toEqual(expect.arrayContaining(found));
        expect(found).toEqual(expect.arrayContaining(kept));
      }),
    );
  });

  test('of megabytes is passed over, to the next record', () => {
    const far = logBytes(start + bytes.length + 5_000_000, [[one('far')]]);
    const gap = Buffer.concat([bytes, Buffer.alloc(5_000_000, 0xda), far]);
    expect(scan(gap)).toEqual({
      bodies: [...bodies, 'far'],
      damaged: [[bytes.length, bytes.length + 5_000_000]],
      unreadable: [],
      end: gap.length,
    });
  });

  test('brings out no record that stands in the body of another', () => {
    const inner = logBytes(start + 200, [[one('bad')]]);
    const outer = logBytes(start, [[draft({ body: inner })], [one('end')]]);
    // A record names its place: who forges one has to guess where his body will stand, and to hope for damage in front of it.
    const damaged = Buffer.from(outer);
    damaged[0] = 1;
    expect(scan(damaged).bodies).toEqual(['end']);
  });

  test('that the disk does not even read is told', () => {
    const file = fileOf(bytes);
    const refusing: LogFile = {
      ...file,
      read: (target, targetStart, length, position) => {
        if (position === 0) throw new Error('EIO');
        return file.read(target, targetStart, length, position);
      },
    };
    expect(scan(bytes, true, refusing)).toMatchObject({ bodies: [], unreadable: [0], end: 0 });
  });
});

describe('an append of several records', () => {
  const group = ['g-1', 'g-2', 'g-3'].map((body) => one(body));
  const bytes = logBytes(start, [[one('aaa')], group]);
  const each = bytes.length / 4;

  test('is part of the log when all of it is there', () => {
    expect(scan(bytes)).toMatchObject({ bodies: ['aaa', 'g-1', 'g-2', 'g-3'], end: bytes.length });
  });

  test('is none of it when any of it was not written', () => {
    for (let cut = each; cut < bytes.length; cut += 1) {
      expect(scan(bytes.subarray(0, cut))).toMatchObject({ bodies: ['aaa'], damaged: [], end: each });
    }
  });

  test('keeps the others when one was damaged later', () => {
    const more = logBytes(start, [[one('aaa')], group, [one('end')]]);
    more[2 * each + 50] = 0xee;
    expect(scan(more)).toMatchObject({ bodies: ['aaa', 'g-1', 'g-3', 'end'], damaged: [[2 * each, 3 * each]] });
  });

  test('keeps the others in a segment that others follow', () => {
    expect(scan(bytes.subarray(0, 3 * each), false)).toMatchObject({ bodies: ['aaa', 'g-1', 'g-2'], damaged: [] });
  });

  test('goes with its damaged first record when the last is missing too', () => {
    const torn = Buffer.from(bytes.subarray(0, 3 * each));
    torn[each + 50] = 0xee;
    expect(scan(torn)).toMatchObject({ bodies: ['aaa'], end: 2 * each });
  });
});
