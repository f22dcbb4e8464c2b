import { expect, test } from 'vitest';
import type { LogFile, LogFiles } from '../../../src/broker/store/log-files.ts';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import { randomNumbers } from '../../support/mutator.ts';
import { bodiesOf, draft, openStore } from './support.ts';

/** Set it to 10,000 for a long run. */
const roundCount = 200;

/** Files of which the disk has, at any time, only what was flushed. */
class LosingFiles implements LogFiles {
  readonly #files = new MemoryFiles();
  /** Bytes of each file that are on the disk for sure. */
  readonly #flushed = new Map<number, number>();

  /** What is there after the power was gone: of what was not flushed a part, or other bytes. */
  afterLoss(random: () => number): MemoryFiles {
    const left = new MemoryFiles();
    for (const { start, bytes } of this.#files.list()) {
      const flushed = Math.min(this.#flushed.get(start) ?? 0, bytes);
      const content = Buffer.alloc(flushed + Math.floor(random() * Math.min(4_096, 2 * (bytes - flushed) + 10)));
      this.#files.open(start).read(content, 0, content.length, 0);
      if (random() < 0.5) for (let at = flushed; at < content.length; at += 1) content[at] = Math.floor(random() * 256);
      left.create(start).write(content, 0);
    }
    return left;
  }

  #wrap(start: number, file: LogFile): LogFile {
    return {
      write: (bytes, position) => file.write(bytes, position),
      read: (target, targetStart, length, position) => file.read(target, targetStart, length, position),
      sync: async () => {
        const length = this.#files.list().find((found) => found.start === start)?.bytes ?? 0;
        // The power may go in the middle of it.
        await new Promise(setImmediate);
        this.#flushed.set(start, length);
      },
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
    };
  }

  list = () => this.#files.list();
  open = (start: number) => this.#wrap(start, this.#files.open(start));
  create = (start: number) => this.#wrap(start, this.#files.create(start));
  remove = (start: number) => this.#files.remove(start);
  describe = (start: number) => this.#files.describe(start);
  close = () => this.#files.close();
}

test(`what a flushed store has stored is there after a power loss, ${roundCount} times`, async () => {
  const random = randomNumbers(20_261_124);
  for (let round = 0; round < roundCount; round += 1) {
    const files = new LosingFiles();
    // In memory each write is flushed, as with `sync` on disk.
    const store = await openStore({ segmentBytes: 3_000 }, files);
    const stored = new Map<number, string>();
    let lost = false;
    const send = async (sender: number): Promise<void> => {
      for (let number = 0; number < 4; number += 1) {
        const bodies = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, part) => `${sender}.${number}.${part}`);
        const places = await store.append(bodies.map((body) => draft({ body: Buffer.from(body) })));
        if (!lost) for (const [part, { queueOffset }] of places.entries()) stored.set(queueOffset, bodies[part] ?? '');
      }
    };
    const sends = Promise.all(Array.from({ length: 6 }, (_, sender) => send(sender)));
    // At some moment of it.
    for (let turns = Math.floor(random() * 14); turns > 0; turns -= 1) await new Promise(setImmediate);
    lost = true;
    const left = files.afterLoss(random);
    await sends;
    await store.close();
    const bodies = bodiesOf(await openStore({ segmentBytes: 3_000 }, left));
    for (const [offset, body] of stored) if (bodies.get(offset) !== body) expect.fail(`${body}: ${bodies.get(offset)}`);
  }
}, 60_000);
