import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Registry } from '../../../src/proxy/session/registry.ts';

interface Spec {
  readonly name: string;
  readonly createdAtMs: number;
}

const byName =
  (name: string) =>
  (spec: Spec): boolean =>
    spec.name === name;

describe('Registry', () => {
  let disposed: string[];
  let registry: Registry<Spec, string>;

  beforeEach(() => {
    disposed = [];
    registry = new Registry<Spec, string>(3, (session) => disposed.push(session));
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** Adds an id that is made now. */
  function create(id: string, name = 'a'): Spec {
    const spec = { name, createdAtMs: registry.nextCreationTimeMs() };
    registry.add(id, spec, `session of ${id}`);
    return spec;
  }

  describe('ids', () => {
    it('are found, with what is held for them', () => {
      create('x');
      expect(registry.find('x')).toBe('session of x');
      expect(registry.find('y')).toBeUndefined();
    });

    it('are told of, the newest first, with when they were used by the wall clock', () => {
      vi.useFakeTimers({ toFake: ['performance', 'Date'] });
      const firstMs = Date.now();
      create('x');
      vi.advanceTimersByTime(10);
      create('y', 'b');
      create('z');
      vi.advanceTimersByTime(10);
      registry.find('x');
      const newest = (matches: (spec: Spec) => boolean) =>
        registry.newest(matches, 3).known.map(({ id, session, usedAtMs }) => [id, session, usedAtMs - firstMs]);
      expect(newest(() => true)).toEqual([
        ['z', 'session of z', 10],
        ['y', 'session of y', 10],
        ['x', 'session of x', 20],
      ]);
      expect(newest(byName('a')).map(([id]) => id)).toEqual(['z', 'x']);
      expect(registry.newest(byName('a'), 1)).toMatchObject({ known: [{ id: 'z' }], matchCount: 2 });
      registry.cleanUp('z');
      expect(newest(byName('a')).map(([id]) => id)).toEqual(['x']);
    });

    it('are told of in the same order, whenever each of many was made', () => {
      const times = fc.array(fc.nat({ max: 30 }), { maxLength: 60 });
      fc.assert(
        fc.property(times, fc.integer({ min: 1, max: 8 }), (createdAt, countMax) => {
          const many = new Registry<Spec, number>(100, () => {});
          for (const [index, createdAtMs] of createdAt.entries())
            many.add(`${index}`, { name: 'a', createdAtMs }, index);
          const { known, matchCount } = many.newest(byName('a'), countMax);
          expect(matchCount).toBe(createdAt.length);
          // The last one that was added is the last one that was used.
          const expected = [...createdAt.entries()].reverse().toSorted(([, one], [, other]) => other - one);
          expect(known.map(({ session }) => session)).toEqual(expected.slice(0, countMax).map(([index]) => index));
        }),
        // Each makes a registry, which takes memory for all that it may remember.
        { numRuns: 20 },
      );
    });

    it('fall out of memory when there are too many, the one not used for longest first', () => {
      for (const id of ['x', 'y', 'z']) create(id);
      registry.find('x');
      create('last');
      expect(disposed).toEqual(['session of y']);
      expect(['x', 'y', 'z', 'last'].map((id) => registry.find(id) !== undefined)).toEqual([true, false, true, true]);
    });

    it('fall out of memory when they are too long all together', () => {
      const large = new Registry<Spec, string>(100_000, (session) => disposed.push(session));
      const ids = Array.from({ length: 2_100 }, (_, index) => `${index}`.padEnd(16_384, 'x'));
      for (const id of ids) large.add(id, { name: 'a', createdAtMs: 0 }, id.slice(0, 4));
      const known = ids.filter((id) => large.find(id) !== undefined);
      expect(known).toEqual(ids.slice(-2_048));
      expect(disposed).toHaveLength(2_100 - 2_048);
    });

    it('that fell out of memory are not cleaned up', () => {
      const spec = create('x');
      for (const id of ['1', '2', '3']) create(id);
      expect(registry.find('x')).toBeUndefined();
      expect(registry.isCleanedUp('x', spec)).toBe(false);
    });

    it('are all disposed of in the end', () => {
      for (const id of ['x', 'y']) create(id);
      registry.clear();
      expect(disposed.sort()).toEqual(['session of x', 'session of y']);
      expect(registry.find('x')).toBeUndefined();
    });
  });

  describe('the clean-up of one id', () => {
    it('ends it, and no other', () => {
      const [x, y] = [create('x'), create('y')];
      registry.cleanUp('x');
      expect(registry.isCleanedUp('x', x)).toBe(true);
      expect(registry.isCleanedUp('y', y)).toBe(false);
      expect([registry.find('x'), registry.find('y')]).toEqual([undefined, 'session of y']);
      expect(disposed).toEqual(['session of x']);
    });

    it('ends one that was never in memory', () => {
      registry.cleanUp('x');
      expect(registry.isCleanedUp('x', { name: 'a', createdAtMs: 1 })).toBe(true);
    });
  });

  describe('the clean-up of many ids', () => {
    it('ends all that match and says how many are known', () => {
      const specs = [create('x'), create('y'), create('z', 'b')];
      expect(registry.cleanUpAll('a', byName('a'))).toBe(2);
      expect(specs.map((spec, index) => registry.isCleanedUp(`${index}`, spec))).toEqual([true, true, false]);
      expect(['x', 'y', 'z'].map((id) => registry.find(id))).toEqual([undefined, undefined, 'session of z']);
      expect(disposed.sort()).toEqual(['session of x', 'session of y']);
      expect(registry.cleanUpAll('a', byName('a'))).toBe(0);
    });

    it('ends ids that fell out of memory, too', () => {
      const spec = create('x');
      for (const id of ['1', '2', '3']) create(id, 'b');
      expect(registry.cleanUpAll('a', byName('a'))).toBe(0);
      expect(registry.isCleanedUp('x', spec)).toBe(true);
    });

    it('ends what was made before, in the same millisecond too, and nothing that is made after', () => {
      vi.useFakeTimers({ now: 1_000 });
      const before = create('before');
      registry.cleanUpAll('a', byName('a'));
      const after = create('after');
      registry.cleanUpAll('b', byName('b'));
      expect(registry.isCleanedUp('before', before)).toBe(true);
      expect(registry.isCleanedUp('after', after)).toBe(false);
      registry.cleanUpAll('a', byName('a'));
      expect(registry.isCleanedUp('after', after)).toBe(true);
    });

    it('does so whatever the clock does', () => {
      vi.useFakeTimers();
      const step = fc.record({ timeMs: fc.nat(5), act: fc.constantFrom('create', 'a', 'b') });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
          registry = new Registry<Spec, string>(3, () => {});
          const made: { readonly spec: Spec; ended: boolean }[] = [];
          for (const { timeMs, act } of steps) {
            vi.setSystemTime(timeMs);
            if (act === 'create') {
              for (const name of ['a', 'b']) {
                made.push({ spec: { name, createdAtMs: registry.nextCreationTimeMs() }, ended: false });
              }
              continue;
            }
            registry.cleanUpAll(act, byName(act));
            for (const each of made) each.ended ||= each.spec.name === act;
          }
          return made.every(({ spec, ended }, index) => registry.isCleanedUp(`${index}`, spec) === ended);
        }),
        { numRuns: 30 },
      );
    });

    it('ends an id that is in use here although it was made by an instance whose clock is ahead', () => {
      const spec = { name: 'a', createdAtMs: Date.now() + 3_600_000 };
      registry.add('x', spec, 'session of x');
      expect(registry.cleanUpAll('a', byName('a'))).toBe(1);
      expect(registry.isCleanedUp('x', spec)).toBe(true);
      expect(registry.isCleanedUp('other', { name: 'a', createdAtMs: Date.now() + 1_000 })).toBe(false);
    });

    it('is remembered once for each kind, however often it comes', () => {
      const spec = create('x', 'b');
      registry.cleanUpAll('b', byName('b'));
      for (let count = 0; count < 5_000; count += 1) registry.cleanUpAll('a', byName('a'));
      expect(registry.isCleanedUp('x', spec)).toBe(true);
    });

    it('is forgotten after very many of other kinds', () => {
      const spec = create('x');
      registry.cleanUpAll('a', byName('a'));
      for (let count = 1; count < 1_024; count += 1) registry.cleanUpAll(`${count}`, () => false);
      expect(registry.isCleanedUp('x', spec)).toBe(true);
      registry.cleanUpAll('one more', () => false);
      expect(registry.isCleanedUp('x', spec)).toBe(false);
    });
  });

  it('remembers so many ended ids and no more, in little memory', () => {
    const spec = { name: 'a', createdAtMs: 1 };
    const tail = 'x'.repeat(6_000);
    const usedBefore = process.memoryUsage().heapUsed;
    for (let count = 0; count < 65_536 + 10; count += 1) registry.cleanUp(`${count}${tail}`);
    expect(registry.isCleanedUp(`9${tail}`, spec)).toBe(false);
    expect(registry.isCleanedUp(`10${tail}`, spec)).toBe(true);
    // The ids themselves would take 400 MB.
    expect(process.memoryUsage().heapUsed - usedBefore).toBeLessThan(100_000_000);
  });

  describe('use', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['performance'] });
    });

    it('counts what was used lately or is busy', () => {
      create('x');
      create('y');
      vi.advanceTimersByTime(1_000);
      registry.find('y');
      expect(registry.activeCount(1_000, () => false)).toBe(2);
      vi.advanceTimersByTime(1);
      expect(registry.activeCount(1_000, () => false)).toBe(1);
      expect(registry.activeCount(1_000, (session) => session === 'session of x')).toBe(2);
      vi.advanceTimersByTime(1_000);
      expect(registry.activeCount(1_000, () => false)).toBe(0);
    });

    it('keeps from being released as idle', () => {
      const released: string[] = [];
      create('x');
      create('y');
      vi.advanceTimersByTime(1_000);
      registry.find('y');
      registry.releaseIdle(1_000, (session) => released.push(session));
      expect(released).toEqual([]);
      vi.advanceTimersByTime(1);
      registry.releaseIdle(1_000, (session) => released.push(session));
      expect(released).toEqual(['session of x']);
      expect(registry.find('x')).toBe('session of x');
    });
  });
});
