import { describe, expect, it } from 'vitest';
import { ReceiveWindow } from '../../src/http2/receive-window.ts';

describe('a receive window', () => {
  it('takes what fits, and not a byte more', () => {
    const window = new ReceiveWindow(100);
    expect([window.take(60), window.take(40), window.take(0), window.take(1)]).toEqual([true, true, true, false]);
  });

  it('is given back by halves', () => {
    const window = new ReceiveWindow(100);
    window.take(100);
    expect([window.consume(49), window.consume(1), window.consume(49)]).toEqual([0, 50, 0]);
    expect([window.take(50), window.take(1)]).toEqual([true, false]);
  });

  it('gives back what is half of it once it is smaller, so that a peer without any is not left waiting', () => {
    const window = new ReceiveWindow(65_535);
    window.take(30_000);
    expect([window.consume(30_000), window.resize(1_000)]).toEqual([0, 30_000]);
    expect([window.take(1_000), window.take(1)]).toEqual([true, false]);
  });

  it('may be less than nothing after it was narrowed', () => {
    const window = new ReceiveWindow(100);
    window.take(80);
    expect([window.resize(50), window.take(1), window.consume(81), window.take(50)]).toEqual([0, false, 81, true]);
  });
});
