import { describe, expect, it } from 'vitest';
import { http2Defaults } from '../../src/http2/options.ts';
import { type ConnectionFacts, Watch } from '../../src/http2/watch.ts';

const calm: ConnectionFacts = {
  isSettled: true,
  movedBytes: 0,
  openCount: 1,
  lastStreamId: 1,
  openFrame: undefined,
  isDataOpen: false,
  openBlock: undefined,
};
const limits = {
  ...http2Defaults,
  settingsMs: 10,
  headersMs: 20,
  readTimeoutMs: 30,
  keepaliveIntervalMs: 100,
  keepaliveTimeoutMs: 50,
  idleMs: 1_000,
};

/** What a watch says of the same facts at these times; it begins at 0. */
function verdicts(facts: Partial<ConnectionFacts>, times: readonly number[], options = limits): string[] {
  const watch = new Watch(options, 0);
  return times.map((nowMs) => watch.look({ ...calm, ...facts }, nowMs));
}

describe('a watch', () => {
  it('holds time limits to the millisecond', () => {
    expect(verdicts({ isSettled: false }, [9, 10])).toEqual(['nothing', 'settings are late']);
    expect(verdicts({ openFrame: 3 }, [5, 24, 25])).toEqual(['nothing', 'nothing', 'a frame is late']);
    expect(verdicts({ openFrame: 3, isDataOpen: true }, [5, 34, 35])).toEqual([
      'nothing',
      'nothing',
      'a frame is late',
    ]);
    expect(verdicts({ openCount: 0 }, [5, 1_004, 1_005], { ...limits, keepaliveIntervalMs: 10_000 })).toEqual([
      'nothing',
      'nothing',
      'drain',
    ]);
  });

  it('counts the frames of a header block together, and other frames each', () => {
    const slow = new Watch(limits, 0);
    const seen = [5, 15, 24, 25].map((nowMs) => slow.look({ ...calm, openFrame: nowMs, openBlock: 7 }, nowMs));
    expect(seen).toEqual(['nothing', 'nothing', 'nothing', 'a frame is late']);
    const busy = new Watch(limits, 0);
    const others = [5, 15, 24, 25, 44].map((nowMs) => busy.look({ ...calm, openFrame: nowMs }, nowMs));
    expect(others).toEqual(Array(5).fill('nothing'));
  });

  it('asks for a sign of life, and waits for it as long as bytes move', () => {
    const watch = new Watch(limits, 0);
    const look = (movedBytes: number, nowMs: number): string => watch.look({ ...calm, movedBytes }, nowMs);
    expect([look(1, 99), look(1, 100), look(2, 101), look(3, 150), look(3, 199)]).toEqual([
      'nothing',
      'ping',
      'nothing',
      'nothing',
      'nothing',
    ]);
    watch.answered();
    expect([look(3, 199), look(3, 200), look(3, 210), look(3, 259), look(3, 260)]).toEqual([
      'nothing',
      'ping',
      'nothing',
      'nothing',
      'destroy',
    ]);
  });

  it('counts a stream as use that came and went between two looks', () => {
    const watch = new Watch({ ...limits, keepaliveIntervalMs: 10_000 }, 0);
    const look = (lastStreamId: number, nowMs: number): string =>
      watch.look({ ...calm, openCount: 0, lastStreamId }, nowMs);
    expect([look(0, 1), look(1, 900), look(1, 1_899), look(1, 1_900)]).toEqual([
      'nothing',
      'nothing',
      'nothing',
      'drain',
    ]);
  });

  it('asks for signs of life also behind the word to go', () => {
    const options = { ...limits, ageMsMax: 10 };
    expect(verdicts({}, [0, 11, 100, 101, 151], options)).toEqual(['nothing', 'drain', 'ping', 'nothing', 'destroy']);
  });

  it('lets a connection get as old as it may, give or take a tenth', () => {
    const options = { ...limits, ageMsMax: 1_000, keepaliveIntervalMs: 10_000 };
    const ends = Array.from({ length: 20 }, () => {
      const watch = new Watch(options, 0);
      expect(watch.look({ ...calm, lastStreamId: 0 }, 5_000)).toBe('nothing');
      let nowMs = 6_000;
      while (watch.look({ ...calm, openCount: nowMs }, nowMs) === 'nothing') nowMs += 1;
      return nowMs - 6_000;
    });
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(900);
    expect(Math.max(...ends)).toBeLessThanOrEqual(1_100);
    expect(new Set(ends).size).toBeGreaterThan(1);
  });
});
