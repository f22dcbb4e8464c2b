import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lowest, QueueIndex } from '../../../src/broker/store/queue-index.ts';

/** What a queue index has to say, kept as plainly as possible. */
class Model {
  readonly places = new Map<number, number>();
  ended = 0;

  get offsets(): number[] {
    return [...this.places.keys()].sort((a, b) => a - b);
  }

  get min(): number {
    return this.offsets[0] ?? this.ended;
  }

  get max(): number {
    return Math.max(this.ended, (this.offsets.at(-1) ?? -1) + 1);
  }

  put(offset: number, place: number): void {
    const isBefore = offset <= (this.offsets.at(-1) ?? -1);
    if (isBefore) {
      for (const later of this.offsets.filter((other) => other >= offset)) this.places.delete(later);
      this.ended = Math.min(this.ended, offset);
    }
    this.places.set(offset, place);
  }

  trim(minPlace: number): void {
    this.ended = this.max;
    for (const [offset, place] of this.places) if (place < minPlace) this.places.delete(offset);
  }
}

type Step =
  | { readonly kind: 'put'; readonly gap: number; readonly count: number }
  | { readonly kind: 'back'; readonly by: number }
  | { readonly kind: 'raise'; readonly by: number }
  | { readonly kind: 'trim'; readonly part: number };

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('put' as const),
      gap: fc.constantFrom(0, 0, 0, 1, 63, 64, 65, 2000),
      count: fc.constantFrom(1, 7, 9, 500, 1100),
    }),
    fc.record({ kind: fc.constant('back' as const), by: fc.nat(1500) }),
    fc.record({ kind: fc.constant('raise' as const), by: fc.nat(100) }),
    fc.record({ kind: fc.constant('trim' as const), part: fc.double({ min: 0, max: 1, noNaN: true }) }),
  ),
  { maxLength: 12 },
);

function run(all: readonly Step[]): { index: QueueIndex; model: Model } {
  const index = new QueueIndex();
  const model = new Model();
  let place = 100;
  const put = (offset: number): void => {
    place += 10;
    index.put(offset, place, 5, offset % 3);
    model.put(offset, place);
  };
  for (const step of all) {
    if (step.kind === 'put') for (let n = 0; n < step.count; n += 1) put(model.max + (n === 0 ? step.gap : 0));
    if (step.kind === 'back') put(Math.max(0, model.max - step.by));
    if (step.kind === 'raise') {
      const to = model.max + step.by;
      index.raise(to);
      model.ended = to;
    }
    if (step.kind === 'trim') {
      const minPlace = Math.round(100 + (place - 100) * step.part);
      index.trim(minPlace);
      model.trim(minPlace);
    }
  }
  return { index, model };
}

test('an index says the same as a plain list', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const { index, model } = run(all);
      expect([index.minOffset, index.maxOffset]).toEqual([model.min, model.max]);
      let next = model.max;
      for (let offset = model.max + 1; offset >= 0; offset -= 1) {
        const place = model.places.get(offset);
        if (place !== undefined) next = offset;
        const expected = place === undefined ? undefined : { commitLogOffset: place, size: 5, tagsCode: offset % 3 };
        if (index.entry(offset)?.commitLogOffset !== place) expect(index.entry(offset)).toEqual(expected);
        if (index.next(offset) !== next) expect([offset, index.next(offset)]).toEqual([offset, next]);
      }
    }),
    { numRuns: 60 },
  );
});

describe('an index', () => {
  test('has nothing at offsets that are none', () => {
    const index = new QueueIndex();
    index.put(0, 100, 5, 9);
    for (const offset of [-1, 0.5, 1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(index.entry(offset)).toBeUndefined();
    expect(index.entry(0)).toEqual({ commitLogOffset: 100, size: 5, tagsCode: 9 });
    expect([index.isAt(0, 100), index.isAt(0, 101), index.isAt(1, 100)]).toEqual([true, false, false]);
  });

  test('gives each message its own offset until it is put or taken back', () => {
    const index = new QueueIndex();
    index.raise(5);
    expect([index.give(), index.give()]).toEqual([5, 6]);
    index.takeBack();
    expect([index.give(), index.give()]).toEqual([5, 6]);
    index.put(5, 100, 5, 0);
    expect(index.give()).toBe(7);
    index.put(6, 110, 5, 0);
    // A group says meanwhile that it has been further.
    index.raise(50);
    index.put(7, 120, 5, 0);
    expect([index.minOffset, index.maxOffset, index.give()]).toEqual([5, 50, 50]);
  });

  test('takes no memory for a gap, however wide, and none while it is empty', () => {
    const index = new QueueIndex();
    expect(index.indexBytes).toBe(0);
    index.put(0, 100, 5, 0);
    index.put(2 ** 50, 110, 5, 0);
    expect(index.indexBytes).toBeLessThan(1024);
    expect([index.next(1), index.entry(2 ** 49), index.maxOffset]).toEqual([2 ** 50, undefined, 2 ** 50 + 1]);
    index.trim(1000);
    expect([index.indexBytes, index.minOffset, index.maxOffset]).toEqual([0, 2 ** 50 + 1, 2 ** 50 + 1]);
  });

  test('takes 16 bytes for each of many messages, and gives them back', () => {
    const index = new QueueIndex();
    for (let offset = 0; offset < 100_000; offset += 1) index.put(offset, 100 + offset, 5, 0);
    expect(index.indexBytes / 100_000).toBeLessThan(16.5);
    index.trim(100 + 90_000);
    expect(index.indexBytes).toBeLessThan(16.5 * 10_000 + 16_384);
    expect(index.minOffset).toBe(90_000);
  });
});

test('the lowest number for which something holds', () => {
  for (let count = 0; count < 9; count += 1) {
    for (let from = 0; from <= count; from += 1) expect(lowest(count, (number) => number >= from)).toBe(from);
  }
});
