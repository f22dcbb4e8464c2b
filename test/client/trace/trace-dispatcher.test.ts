import { expect, onTestFinished, test, vi } from 'vitest';
import type { OutgoingMessage } from '../../../src/client/send/outgoing-message.ts';
import { TraceDispatcher } from '../../../src/client/trace/trace-dispatcher.ts';
import { MemoryLog } from '../../support/scripted-cluster.ts';

const options = { topic: 'traces', waitingMax: 100, batchCountMax: 10, delayMs: 20 };
const record = (id: string, ...keys: readonly string[]) => ({ text: `${id};`, keys: [id, ...keys] });
const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `id${index}`);

/** A dispatcher whose messages wait until the test lets them go. */
function startDispatcher(changes: Partial<typeof options> = {}) {
  const sent: OutgoingMessage[] = [];
  const ends: { resolve(): void; reject(error: Error): void }[] = [];
  const log = new MemoryLog();
  const send = (message: OutgoingMessage): Promise<void> => {
    sent.push(message);
    return new Promise((resolve, reject) => ends.push({ resolve, reject }));
  };
  const dispatcher = new TraceDispatcher(send, { ...options, ...changes }, log);
  onTestFinished(async () => {
    for (const { resolve } of ends) resolve();
    await dispatcher.close();
  });
  return { dispatcher, sent, ends, log, bodies: () => sent.map(({ body }) => body.toString()) };
}

test('records go together, by their ids and keys, once there are enough or one has waited', async () => {
  const { dispatcher, sent, bodies } = startDispatcher({ batchCountMax: 2 });
  dispatcher.append(record('a', 'key', 'x'));
  expect(sent).toEqual([]);
  dispatcher.append(record('b', 'key'));
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ topic: 'traces', keys: 'a b key x', delivery: { kind: 'now' } });
  dispatcher.append(record('c'));
  await vi.waitFor(() => expect(bodies()).toEqual(['a;b;', 'c;']), 20_000);
});

test('no more wait than are allowed, and no more are under way than four messages; the rest is counted', async () => {
  const { dispatcher, ends, bodies } = startDispatcher({ waitingMax: 30 });
  for (const id of ids(75)) dispatcher.append(record(id));
  expect(bodies()).toHaveLength(4);
  expect(dispatcher.droppedCount).toBe(75 - 40 - 30);
  ends[0]?.resolve();
  await vi.waitFor(() => expect(bodies()).toHaveLength(5), 20_000);
  expect(bodies()[4]).toContain('id40;');
});

test('a message has no more text and keys than it may', () => {
  const { dispatcher, sent } = startDispatcher({ batchCountMax: 4 });
  const long = 'x'.repeat(50_000);
  const key = 'k'.repeat(3_000);
  for (const id of ids(4)) dispatcher.append({ text: `${id}${long}`, keys: [id, `${id}${key}`] });
  expect(sent.map(({ body }) => body.length)).toEqual([100_006, 100_006]);
  for (const id of ids(4)) dispatcher.append({ text: id, keys: [id, `${id}${key}`] });
  expect(sent[2]?.keys?.split(' ').map((text) => text.slice(0, 3))).toEqual(['id0', 'id1', 'id2', 'id3', 'id0', 'id1']);
});

test('what brokers do not take is counted, and nobody hears of it but the log', async () => {
  const { dispatcher, ends, log } = startDispatcher({ batchCountMax: 2 });
  for (const id of ids(2)) dispatcher.append(record(id));
  ends[0]?.reject(new Error('no broker'));
  await vi.waitFor(() => expect(dispatcher.droppedCount).toBe(2), 20_000);
  expect(log.lines.map(({ level }) => level)).toEqual(['debug']);
});

test('closing sends what waits, and drops what comes later', async () => {
  const { dispatcher, ends, bodies } = startDispatcher({ delayMs: 60_000 });
  for (const id of ids(45)) dispatcher.append(record(id));
  const closed = dispatcher.close();
  dispatcher.append(record('late'));
  while (bodies().length < 5) {
    for (const { resolve } of ends) resolve();
    await new Promise(setImmediate);
  }
  for (const { resolve } of ends) resolve();
  await closed;
  expect(bodies().join('')).toBe(`${ids(45).join(';')};`);
  expect(dispatcher.droppedCount).toBe(1);
});

test('closing waits for brokers that do not answer, but not for ever', async () => {
  const { dispatcher, bodies } = startDispatcher({ batchCountMax: 1 });
  for (const id of ids(5)) dispatcher.append(record(id));
  await dispatcher.close();
  expect(bodies()).toHaveLength(4);
  expect(dispatcher.droppedCount).toBe(1);
});
