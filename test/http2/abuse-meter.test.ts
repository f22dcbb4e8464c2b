import { describe, expect, it } from 'vitest';
import { AbuseMeter } from '../../src/http2/abuse-meter.ts';
import { ErrorCode } from '../../src/http2/errors.ts';
import { http2Defaults } from '../../src/http2/options.ts';

const limits = {
  ...http2Defaults,
  controlFramesMax: 100,
  controlFramesPerSecond: 10,
  youngResetsMax: 5,
  youngResetsPerSecond: 2,
};
const calm = expect.objectContaining({ code: ErrorCode.ENHANCE_YOUR_CALM });

function times(count: number, act: () => void): void {
  for (let done = 0; done < count; done += 1) act();
}

describe('an abuse meter', () => {
  it('forgives by time', () => {
    const meter = new AbuseMeter(limits);
    times(100, () => meter.control(0));
    expect(() => meter.control(99)).toThrow(calm);
    const patient = new AbuseMeter(limits);
    times(100, () => patient.control(0));
    times(10, () => patient.control(1_000));
    expect(() => patient.control(1_000)).toThrow(calm);
  });

  it('lets frames that come as often as is forgiven come for ever', () => {
    const meter = new AbuseMeter(limits);
    times(100, () => meter.control(0));
    for (let nowMs = 100; nowMs < 100_000; nowMs += 100) meter.control(nowMs);
  });

  it('forgives four for a useful frame, and saves nothing up', () => {
    const meter = new AbuseMeter(limits);
    times(1_000, () => meter.useful());
    times(100, () => meter.control(0));
    meter.useful();
    times(4, () => meter.control(0));
    expect(() => meter.control(0)).toThrow(calm);
  });

  it('counts resets by themselves', () => {
    const meter = new AbuseMeter(limits);
    times(100, () => meter.control(0));
    times(5, () => meter.youngReset(0));
    meter.useful();
    meter.youngReset(500);
    expect(() => meter.youngReset(999)).toThrow(calm);
  });
});
