import { describe, expect, it } from 'vitest';
import type { Cancellation } from '../../src/basics/ending.ts';
import type { StreamOptions } from '../../src/client/consumer.ts';
import { OpenStreams } from '../../src/client/open-streams.ts';
import { deferred } from '../support/scripted-peer.ts';

/** A stream with so many messages in flight, all of whose endings are written down. */
class TestStream {
  readonly happened: string[] = [];
  readonly givenBack = deferred<void>();
  inFlightCount: number;
  #signal: Cancellation | undefined;

  constructor(inFlightCount: number) {
    this.inFlightCount = inFlightCount;
  }

  ring(): void {
    this.happened.push(this.#signal?.aborted === true ? 'rung at its end' : 'rung');
  }

  start(streams: OpenStreams<TestStream>, options: Partial<StreamOptions> = {}) {
    return streams.start({ messagesMax: 10, signal: new AbortController().signal, ...options }, ({ signal }) => {
      this.#signal = signal;
      const giveBack = async (): Promise<void> => {
        this.happened.push('given back');
        await this.givenBack.promise;
        this.inFlightCount = 0;
      };
      const giveBackUnread = async (): Promise<void> => void this.happened.push('unread given back');
      return { stream: this, giveBack, giveBackUnread };
    });
  }
}

const atItsEnd = ['rung at its end', 'given back', 'unread given back'];

/** Whether it has resolved by the next turn of the event loop. */
async function isOver(work: Promise<void>): Promise<boolean> {
  let over = false;
  void work.then(() => {
    over = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return over;
}

describe('the streams of a consumer', () => {
  it('are counted until they end, with what they have in flight', () => {
    const streams = new OpenStreams<TestStream>();
    const { end } = new TestStream(2).start(streams);
    new TestStream(3).start(streams);
    expect([streams.count, streams.inFlightCount]).toEqual([2, 5]);
    void end();
    expect([streams.count, streams.inFlightCount]).toEqual([1, 3]);
  });

  it('end once, and resolve when all is given back', async () => {
    const streams = new OpenStreams<TestStream>();
    const stream = new TestStream(1);
    const { end } = stream.start(streams);
    const ended = end();
    expect(stream.happened).toEqual(atItsEnd);
    expect(await isOver(ended)).toBe(false);
    stream.givenBack.resolve();
    await Promise.all([ended, end()]);
    expect(stream.happened).toEqual(atItsEnd);
  });

  it.each(['later', 'already'])('end by their signal, also where it is aborted %s', (when) => {
    const ending = new AbortController();
    if (when === 'already') ending.abort();
    const streams = new OpenStreams<TestStream>();
    const stream = new TestStream(1);
    stream.start(streams, { signal: ending.signal });
    ending.abort();
    expect(stream.happened).toEqual(atItsEnd);
    expect(streams.count).toBe(0);
  });

  it('keep nobody waiting for a grace, which ends when the consumer closes', async () => {
    const streams = new OpenStreams<TestStream>();
    const stream = new TestStream(1);
    const grace = { begin: () => 60_000, end: () => void stream.happened.push('the grace is over') };
    await stream.start(streams, { grace }).end();
    expect(stream.happened).toEqual(['rung at its end', 'unread given back']);
    const closed = streams.close();
    expect(await isOver(closed)).toBe(false);
    stream.givenBack.resolve();
    await closed;
    expect(stream.happened.slice(-2)).toEqual(['the grace is over', 'given back']);
  });

  it('all end when the consumer closes, which waits until all is given back', async () => {
    const streams = new OpenStreams<TestStream>();
    const both = [new TestStream(1), new TestStream(1)];
    for (const stream of both) stream.start(streams);
    const closed = streams.close();
    for (const { happened } of both) expect(happened).toEqual(atItsEnd);
    both[0]?.givenBack.resolve();
    expect(await isOver(closed)).toBe(false);
    both[1]?.givenBack.resolve();
    await closed;
    expect(streams.count).toBe(0);
  });
});
