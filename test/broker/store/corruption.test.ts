import { expect, test } from 'vitest';
import type { LogFiles } from '../../../src/broker/store/log-files.ts';
import { MemoryFiles } from '../../../src/broker/store/memory-files.ts';
import type { MessageStore } from '../../../src/broker/store/message-store.ts';
import { openLogStore } from '../../../src/broker/store/open-store.ts';
import { trailerBytes } from '../../../src/broker/store/record-cursor.ts';
import { randomNumbers } from '../../support/mutator.ts';
import { bodiesOf, draft, openStore, store1, storeHost, TestClock } from './support.ts';

/** Set it to 100,000 for a long run. */
const roundCount = 1_000;
const queueCount = 3;
const segmentBytes = 6_000;

interface Stored {
  readonly queueId: number;
  readonly queueOffset: number;
  readonly start: number;
  readonly end: number;
  readonly record: Buffer;
  /** Number of its append. */
  readonly append: number;
}

interface Original {
  readonly messages: readonly Stored[];
  readonly files: ReadonlyMap<number, Buffer>;
}

async function makeOriginal(random: () => number): Promise<Original> {
  const files = new MemoryFiles();
  const store = await openStore({ segmentBytes }, files);
  const messages: Stored[] = [];
  for (let number = 0; number < 60; number += 1) {
    const drafts = Array.from({ length: number % 5 === 4 ? 3 : 1 }, (_, part) =>
      draft({ queueId: (number + part) % queueCount, body: Buffer.alloc(Math.floor(random() * 400), number + 1) }),
    );
    for (const [index, place] of (await store.append(drafts)).entries()) {
      const { commitLogOffset: start, queueOffset, size } = place;
      const record = store.read(start) ?? Buffer.alloc(0);
      const queueId = drafts[index]?.queueId ?? 0;
      messages.push({ queueId, queueOffset, start, end: start + size + trailerBytes, record, append: number });
    }
  }
  const contents = new Map(files.list().map(({ start, bytes }) => [start, contentOf(files, start, bytes)]));
  return { messages, files: contents };
}

function contentOf(files: LogFiles, start: number, bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  files.open(start).read(content, 0, bytes, 0);
  return content;
}

/** Damages some files. @returns The files, and whether a part of the log was hit. */
function damage(original: Original, random: () => number): { files: MemoryFiles; isHit: IsHit } {
  const files = new MemoryFiles();
  const hits: [number, number][] = [];
  const contents = new Map([...original.files].map(([start, bytes]) => [start, Buffer.from(bytes)]));
  const starts = [...contents.keys()];
  for (let times = 1 + Math.floor(random() * 3); times > 0; times -= 1) {
    const start = starts[Math.floor(random() * starts.length)] ?? 0;
    const content = contents.get(start) ?? Buffer.alloc(0);
    if (content.length === 0) continue;
    const at = Math.floor(random() * content.length);
    const kind = random();
    if (kind < 0.6) {
      content[at] = (content[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      hits.push([start + at, start + at + 1]);
    } else if (kind < 0.8) {
      contents.set(start, content.subarray(0, at));
      hits.push([start + at, start + content.length]);
    } else {
      const end = Math.min(content.length, at + Math.floor(random() * 1_000));
      for (let index = at; index < end; index += 1) content[index] = kind < 0.9 ? 0 : Math.floor(random() * 256);
      hits.push([start + at, end + start]);
    }
  }
  for (const [start, content] of contents) files.create(start).write(content, 0);
  return { files, isHit: (from, to) => hits.some(([start, end]) => start < to && from < end) };
}

function open(files: LogFiles): Promise<MessageStore> {
  return openLogStore({ directory: undefined, storeHost, clock: new TestClock(), segmentBytes }, files, () => {});
}

type IsHit = (from: number, to: number) => boolean;

/**
 * The append that is at the torn end of the log, if there is one: a record of it was hit, and all behind that. Nobody can tell then that it
 * was ever written whole, so it goes together.
 */
function tornAppend({ messages }: Original, isHit: IsHit): number | undefined {
  const lastIntact = messages.findLast(({ start, end }) => !isHit(start, end));
  const next = messages[lastIntact === undefined ? 0 : messages.indexOf(lastIntact) + 1];
  return next?.append;
}

/** Checks each message; the queue offsets in `renewed` were given again. */
function check(store: MessageStore, original: Original, isHit: IsHit, renewed = new Set<string>()): void {
  const torn = tornAppend(original, isHit);
  for (const { queueId, queueOffset, start, end, record, append } of original.messages) {
    if (renewed.has(`${queueId}/${queueOffset}`)) continue;
    const entry = store.entry('orders', queueId, queueOffset);
    const served = entry === undefined ? undefined : store.read(entry.commitLogOffset);
    const mayMiss = isHit(start, end) || append === torn;
    if (served === undefined && mayMiss) continue;
    if (served?.equals(record) !== true)
      expect.fail(`message ${queueId}/${queueOffset} at ${start}: ${served?.length}`);
  }
}

test(`whatever happens to the files, no wrong byte is served and no other message is lost, ${roundCount} times`, async () => {
  const random = randomNumbers(20_261_123);
  const original = await makeOriginal(random);
  expect(original.files.size).toBeGreaterThan(4);
  for (let round = 0; round < roundCount; round += 1) {
    const { files, isHit } = damage(original, random);
    const started = performance.now();
    const store = await open(files);
    expect(performance.now() - started).toBeLessThan(5_000);
    check(store, original, isHit);
    const renewed = new Set<string>();
    for (let queueId = 0; queueId < queueCount; queueId += 1) {
      const { queueOffset } = await store1(store, `new ${round}`, { queueId });
      renewed.add(`${queueId}/${queueOffset}`);
    }
    await store.close();
    const again = await open(files);
    check(again, original, isHit, renewed);
    for (let queueId = 0; queueId < queueCount; queueId += 1) {
      expect([...bodiesOf(again, 'orders', queueId).values()].at(-1)).toBe(`new ${round}`);
    }
    await again.close();
  }
}, 300_000);
