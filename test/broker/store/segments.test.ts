import { describe, expect, test } from 'vitest';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import { Segments } from '../../../src/broker/store/segments.ts';
import { type Faults, faulty, keptLog, systemError } from './support.ts';

const header = (bytes: number) => (): Buffer => Buffer.alloc(bytes, 1);

function newSegments(): { segments: Segments; files: MemoryFiles; faults: Faults; lines: unknown[] } {
  const files = new MemoryFiles();
  const faults: Faults = { syncCount: 0 };
  const { log, lines } = keptLog();
  return { segments: new Segments(faulty(files, faults), log), files, faults, lines };
}

describe('segments', () => {
  test('follow each other and know what they hold', () => {
    const { segments } = newSegments();
    expect([segments.start, segments.end, segments.last, segments.at(0)]).toEqual([0, 0, undefined, undefined]);
    const first = segments.begin(header(10));
    first.length = 100;
    const second = segments.begin((start) => Buffer.alloc(start / 10));
    expect([second.start, second.length, segments.end, segments.bytes]).toEqual([100, 10, 110, 110]);
    expect([-1, 0, 99, 100, 109, 110].map((offset) => segments.at(offset)?.start)).toEqual([
      undefined,
      0,
      0,
      100,
      100,
      undefined,
    ]);
    segments.removeFirst();
    expect([segments.start, segments.at(50), segments.at(105)]).toEqual([100, undefined, second]);
    segments.removeFirst();
    segments.removeFirst();
    expect(segments.all).toEqual([]);
  });

  test('leave gaps where files are missing', () => {
    const { segments } = newSegments();
    segments.open(0, 10);
    segments.open(50, 10);
    expect([9, 10, 49, 50, 59, 60].map((offset) => segments.at(offset)?.start)).toEqual([
      0,
      undefined,
      undefined,
      50,
      50,
      undefined,
    ]);
  });

  test('that cannot begin leave nothing behind', () => {
    const { segments, files, faults } = newSegments();
    segments.begin(header(10));
    faults.write = () => {
      throw systemError('ENOSPC');
    };
    expect(() => segments.begin(header(10))).toThrow('ENOSPC');
    expect([segments.all.length, segments.end, files.list().length]).toEqual([1, 10, 1]);
  });

  test('take the place of one that holds nothing', () => {
    const { segments, files } = newSegments();
    segments.open(70, 0);
    expect(segments.begin(header(10)).start).toBe(70);
    expect(segments.all.map(({ start, length }) => [start, length])).toEqual([[70, 10]]);
    expect(files.list()).toEqual([{ start: 70, bytes: 10 }]);
  });

  test('that are sealed are cut to what counts, or say that they cannot be', () => {
    const { segments, files, faults, lines } = newSegments();
    const segment = segments.begin(header(10));
    segment.file.write(Buffer.alloc(10), 10);
    segments.seal(segment);
    expect(segment).toMatchObject({ isSealed: true, length: 10, flushedLength: 10 });
    expect(files.list()).toEqual([{ start: 0, bytes: 10 }]);
    faults.truncate = () => {
      throw systemError('EIO');
    };
    segments.seal(segment);
    expect(lines).toMatchObject([{ level: 'warn', file: 'segment 0 in memory', error: { code: 'EIO' } }]);
  });
});
