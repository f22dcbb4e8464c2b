import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { atEndOfTick, atEndOfTurn, FrameWriter } from '../../src/remoting/frame-writer.ts';
import { memoryStream } from '../support/connected-channel.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

describe('the frame writer', () => {
  it('writes what one turn asks for at once, in its order, and not before the turn ends', async () => {
    const writes: string[] = [];
    const writer = new FrameWriter(
      memoryStream((chunks, left) => {
        writes.push(Buffer.concat(chunks).toString());
        left();
      }),
      atEndOfTurn,
    );
    writer.write([bytes('head'), bytes('body')]);
    writer.write([bytes('next')]);
    await Promise.resolve();
    writer.write([bytes('!')]);
    expect(writes).toEqual([]);
    expect(writer.unsentBytes).toBe(13);
    await nextTurn();
    expect(writes).toEqual(['headbodynext!']);
    expect(writer.unsentBytes).toBe(0);
    writer.write([bytes('later')]);
    await nextTurn();
    expect(writes).toEqual(['headbodynext!', 'later']);
  });

  it('counts what waits for the network, and tells of each write that has left', async () => {
    const lefts: (() => void)[] = [];
    let progressCount = 0;
    const writer = new FrameWriter(
      memoryStream((_, left) => lefts.push(left)),
      atEndOfTurn,
      () => {
        progressCount += 1;
      },
    );
    writer.write([bytes('one')]);
    await nextTurn();
    writer.write([bytes('two')]);
    await nextTurn();
    expect(writer.unsentBytes).toBe(6);
    expect(progressCount).toBe(0);
    lefts.shift()?.();
    await nextTurn();
    expect(writer.unsentBytes).toBe(3);
    expect(progressCount).toBe(1);
    lefts.shift()?.();
    await nextTurn();
    expect(writer.unsentBytes).toBe(0);
    expect(progressCount).toBe(2);
  });

  it('copies small parts together, and leaves large ones as they are', async () => {
    const chunks: Buffer[] = [];
    const writer = new FrameWriter(
      memoryStream((written, left) => {
        chunks.push(...written);
        left();
      }),
      atEndOfTurn,
    );
    const large = Buffer.alloc(4_096, 'l');
    writer.write([bytes('a'), bytes('b')]);
    writer.write([bytes('c'), large]);
    writer.write([Buffer.alloc(4_095, 'd')]);
    await nextTurn();
    expect(chunks.map(({ length }) => length)).toEqual([3, 4_096, 4_095]);
    expect(chunks[1]).toBe(large);
    chunks.length = 0;
    for (let count = 0; count < 17; count += 1) writer.write([Buffer.alloc(4_000)]);
    await nextTurn();
    expect(chunks.map(({ length }) => length)).toEqual([68_000]);
  });

  it('writes what one tick asks for at once, where it is told to', async () => {
    const writes: string[] = [];
    const writer = new FrameWriter(
      memoryStream((chunks, left) => {
        writes.push(Buffer.concat(chunks).toString());
        left();
      }),
      atEndOfTick,
    );
    writer.write([bytes('a')]);
    await Promise.resolve();
    writer.write([bytes('b')]);
    expect(writes).toEqual([]);
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(writes).toEqual(['ab']);
  });

  it('hands over at once what it is told to', () => {
    const stream = memoryStream((_, left) => left());
    const writer = new FrameWriter(stream, atEndOfTurn);
    writer.write([bytes('one')]);
    expect(stream.writableLength).toBe(0);
    writer.flush();
    writer.flush();
    expect(stream.writableLength).toBe(3);
  });

  it('harms nobody where the stream has ended meanwhile', async () => {
    const stream = memoryStream((_, left) => left());
    stream.on('error', () => {});
    const writer = new FrameWriter(stream, atEndOfTurn);
    writer.write([bytes('one')]);
    stream.destroy();
    writer.write([bytes('two')]);
    await nextTurn();
    writer.write([bytes('three')]);
    await nextTurn();
    expect(stream.destroyed).toBe(true);
  });
});
