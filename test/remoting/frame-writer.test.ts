import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Command, Serialization } from '../../src/remoting/command.ts';
import { frameBytesMaxDefault } from '../../src/remoting/frame.ts';
import { atEndOfTick, FrameWriter, type WhenToLeave } from '../../src/remoting/frame-writer.ts';
import { memoryStream } from '../support/connected-channel.ts';
import { encodeCommand } from '../support/encoded-command.ts';
import { blankCommand } from '../support/loopback-server.ts';

const json = Serialization.JSON;

/** A command that is told by its remark. */
function named(remark: string, body: Buffer = Buffer.alloc(0)): Command {
  return { ...blankCommand, remark, body };
}

function bytesOf(...commands: Command[]): Buffer {
  return Buffer.concat(commands.flatMap((command) => encodeCommand(command)));
}

const atEndOfTurn: WhenToLeave = (run) => void setImmediate(run);

function create(stream: Duplex, whenToLeave: WhenToLeave = atEndOfTurn, onLeft?: () => void): FrameWriter {
  return new FrameWriter(stream, frameBytesMaxDefault, whenToLeave, onLeft);
}

describe('the frame writer', () => {
  it('writes what one turn asks for at once, in its order, and not before the turn ends', async () => {
    const writes: Buffer[][] = [];
    const writer = create(
      memoryStream((chunks, left) => {
        writes.push(chunks);
        left();
      }),
    );
    const [first, second, third, later] = [named('1', Buffer.from('body')), named('2'), named('3'), named('4')];
    writer.write(first, json);
    writer.write(second, json);
    await Promise.resolve();
    writer.write(third, json);
    expect(writes).toEqual([]);
    const expected = bytesOf(first, second, third);
    expect(writer.unsentBytes).toBe(expected.length);
    await nextTurn();
    expect(writes).toEqual([[expected]]);
    expect(writer.unsentBytes).toBe(0);
    writer.write(later, json);
    await nextTurn();
    expect(writes).toEqual([[expected], [bytesOf(later)]]);
  });

  it('counts what waits for the network, and tells of each write that has left', async () => {
    const lefts: (() => void)[] = [];
    let progressCount = 0;
    const writer = create(
      memoryStream((_, left) => lefts.push(left)),
      atEndOfTurn,
      () => {
        progressCount += 1;
      },
    );
    const bytes = bytesOf(named('one')).length;
    writer.write(named('one'), json);
    await nextTurn();
    writer.write(named('two'), json);
    await nextTurn();
    expect(writer.unsentBytes).toBe(2 * bytes);
    expect(progressCount).toBe(0);
    lefts.shift()?.();
    await nextTurn();
    expect(writer.unsentBytes).toBe(bytes);
    expect(progressCount).toBe(1);
    lefts.shift()?.();
    await nextTurn();
    expect(writer.unsentBytes).toBe(0);
    expect(progressCount).toBe(2);
  });

  it('copies small bodies, and leaves large ones as they are, all in one write', async () => {
    const writes: Buffer[][] = [];
    const writer = create(
      memoryStream((chunks, left) => {
        writes.push(chunks);
        left();
      }),
    );
    const [small, large] = [Buffer.alloc(4_095, 's'), Buffer.alloc(4_096, 'l')];
    const commands = [named('1', small), named('2', large), named('3', small)];
    for (const command of commands) writer.write(command, json);
    await nextTurn();
    expect(writes).toHaveLength(1);
    expect(writes[0]).toContain(large);
    expect(writes[0]).not.toContain(small);
    expect(Buffer.concat(writes[0] ?? [])).toEqual(bytesOf(...commands));
  });

  it('writes any number of frames of any size whole, and never again into what a stream may still read', async () => {
    const writes: Buffer[][] = [];
    const writer = create(memoryStream((chunks) => writes.push(chunks)));
    const stream = memoryStream((chunks, left) => {
      writes.push(chunks);
      left();
    });
    const other = create(stream);
    const commands = Array.from({ length: 400 }, (_, index) =>
      named(`${index} ${'é'.repeat((index * 997) % 3_000)}`, Buffer.alloc((index * 613) % 4_500, index)),
    );
    for (const [index, command] of commands.entries()) {
      other.write(command, json);
      if (index % 50 === 49) await nextTurn();
    }
    expect(writes).toHaveLength(8);
    expect(Buffer.concat(writes.flat()).equals(bytesOf(...commands))).toBe(true);
    writer.write(named('held'), json);
    await nextTurn();
    writer.write(named('next'), json);
    await nextTurn();
    expect(writes[8]).toEqual([bytesOf(named('held'))]);
  });

  it('sends nothing of a frame over the limit, and all around it', async () => {
    const writes: Buffer[][] = [];
    const stream = memoryStream((chunks, left) => {
      writes.push(chunks);
      left();
    });
    const writer = new FrameWriter(stream, 1_000, atEndOfTurn);
    writer.write(named('1'), json);
    expect(() => writer.write(named('2', Buffer.alloc(1_000)), json)).toThrow(
      expect.objectContaining({ kind: 'malformed' }),
    );
    writer.write(named('3'), json);
    await nextTurn();
    expect(Buffer.concat(writes.flat())).toEqual(bytesOf(named('1'), named('3')));
  });

  it('writes what one tick asks for at once, where it is told to', async () => {
    const writes: Buffer[][] = [];
    const writer = create(
      memoryStream((chunks, left) => {
        writes.push(chunks);
        left();
      }),
      atEndOfTick,
    );
    writer.write(named('a'), json);
    await Promise.resolve();
    writer.write(named('b'), json);
    expect(writes).toEqual([]);
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(writes).toEqual([[bytesOf(named('a'), named('b'))]]);
  });

  it('hands over at once what it is told to', () => {
    const stream = memoryStream(() => {});
    const writer = create(stream);
    writer.write(named('one'), json);
    expect(stream.writableLength).toBe(0);
    writer.flush();
    writer.flush();
    expect(stream.writableLength).toBe(bytesOf(named('one')).length);
  });

  it('harms nobody where the stream has ended meanwhile', async () => {
    const stream = memoryStream((_, left) => left());
    stream.on('error', () => {});
    const writer = create(stream);
    writer.write(named('one'), json);
    stream.destroy();
    writer.write(named('two', Buffer.alloc(5_000)), json);
    await nextTurn();
    writer.write(named('three'), json);
    await nextTurn();
    expect(stream.destroyed).toBe(true);
  });
});
