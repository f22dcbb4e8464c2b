import { afterEach, describe, expect, it } from 'vitest';
import { createFilter } from '../../../src/broker/filters/message-filter.ts';
import { answerBytesMax, hasMessages, lookedAtCountMax, takeMessages } from '../../../src/broker/pop/take-messages.ts';
import { newTopic } from '../../../src/broker/topics.ts';
import { batchAckSpanMax } from '../../../src/remoting/requests/batch-ack-message.ts';
import { invisibleDurationMs, PopEngine, popGroup, popTopic } from '../../support/pop-engine.ts';

let pops: PopEngine;

afterEach(() => pops.close());

function bodies(messages: readonly { readonly body: string }[]): string[] {
  return messages.map(({ body }) => body);
}

function numbered(count: number, start = 0): string[] {
  return Array.from({ length: count }, (_, at) => `m${start + at}`);
}

const place = { group: popGroup, topic: popTopic, queueId: -1, order: false, attemptId: '' };

describe('new messages', () => {
  it('come in the order of their queue, each once, and the offset moves on', async () => {
    pops = await PopEngine.start();
    await pops.send(['a', 'b', 'c']);
    const first = await pops.pop({ countMax: 2 });
    expect(first).toMatchObject([
      { offset: 0, body: 'a', reconsumeTimes: 0, popTimeMs: pops.clock.now() },
      { offset: 1, body: 'b', reconsumeTimes: 0 },
    ]);
    expect(pops.engine.offsets.get({ group: popGroup, topic: popTopic, queueId: 0 })).toBe(2);
    expect(bodies(await pops.pop())).toEqual(['c']);
    expect(await pops.pop()).toEqual([]);
  });

  it('go to each group', async () => {
    pops = await PopEngine.start();
    await pops.send(['a']);
    expect(bodies(await pops.pop())).toEqual(['a']);
    expect(bodies(await pops.pop({ group: 'other' }))).toEqual(['a']);
  });

  it('come from one queue where one is named', async () => {
    pops = await PopEngine.start(2);
    await pops.send(['a'], { queueId: 0 });
    await pops.send(['b'], { queueId: 1 });
    expect(bodies(await pops.pop({ queueId: 1 }))).toEqual(['b']);
    expect(bodies(await pops.pop({ queueId: 2 }))).toEqual([]);
    expect(bodies(await pops.pop())).toEqual(['a']);
  });

  it('come from all queues in rotation', async () => {
    pops = await PopEngine.start(3);
    for (const queueId of [0, 1, 2]) await pops.send(numbered(4), { queueId });
    const firsts: number[] = [];
    for (let count = 0; count < 6; count += 1)
      firsts.push(...(await pops.pop({ countMax: 1 })).map((one) => one.queueId));
    expect([...firsts].sort()).toEqual([0, 0, 1, 1, 2, 2]);
    expect(new Set(firsts.slice(0, 3)).size).toBe(3);
  });

  it('are none in a topic that is not there', async () => {
    pops = await PopEngine.start();
    expect(await pops.pop({ topic: 'nowhere' })).toEqual([]);
  });

  it('are counted as far as they are left', async () => {
    pops = await PopEngine.start(2);
    await pops.send(numbered(5), { queueId: 0 });
    await pops.send(numbered(5), { queueId: 1 });
    expect(pops.take({ countMax: 3 }).restCount).toBe(7);
    pops.take();
    expect(pops.take().restCount).toBe(0);
    await pops.clock.advance(invisibleDurationMs);
    expect(pops.take({ countMax: 4 }).restCount).toBe(6);
  });
});

describe('where a new group starts', () => {
  it('is the first message, also for those that start at the end, while the queue still has it', async () => {
    pops = await PopEngine.start();
    await pops.send(['a']);
    expect(bodies(await pops.pop({ group: 'g1', startsAtEnd: true }))).toEqual(['a']);
    expect(bodies(await pops.pop({ group: 'g2', startsAtEnd: false }))).toEqual(['a']);
  });

  it('is the end, or what is left of the queue, when that has lost its first messages', async () => {
    pops = await PopEngine.start(1, { segmentBytes: 4_096, retentionBytes: 8_192 });
    for (let at = 0; at < 40; at += 1) await pops.send([`${at}${'x'.repeat(1_000)}`]);
    const min = pops.engine.store.minOffset(popTopic, 0);
    expect(min).toBeGreaterThan(0);
    expect((await pops.pop({ group: 'g2', countMax: 1 }))[0]?.offset).toBe(min);
    expect(await pops.pop({ group: 'g1', startsAtEnd: true })).toEqual([]);
    await pops.send(['new']);
    expect(bodies(await pops.pop({ group: 'g1', startsAtEnd: true }))).toEqual(['new']);
  });

  it('is the end of the queue where its offset lies behind that', async () => {
    pops = await PopEngine.start();
    const { engine } = pops;
    await pops.send(numbered(2));
    await engine.offsets.set({ group: popGroup, topic: popTopic, queueId: 0 }, 7, engine.state);
    expect(await pops.pop()).toEqual([]);
    await pops.send(['new']);
    expect(bodies(await pops.pop())).toEqual(['new']);
  });
});

describe('filters', () => {
  it('pass over what is not wanted, for good', async () => {
    pops = await PopEngine.start();
    await pops.send(['a'], { tag: 'A' });
    await pops.send(['b'], { tag: 'B' });
    await pops.send(['c'], { tag: 'A' });
    expect(bodies(await pops.pop({ filter: createFilter('TAG', 'A') }))).toEqual(['a', 'c']);
    expect(await pops.pop()).toEqual([]);
    expect(pops.engine.pops.inFlightCount(popGroup, popTopic)).toBe(2);
  });

  it('may ask for properties', async () => {
    pops = await PopEngine.start();
    await pops.send(['a'], { tag: 'A' });
    await pops.send(['b'], { tag: 'B' });
    expect(bodies(await pops.pop({ filter: createFilter('SQL92', "TAGS <> 'A'") }))).toEqual(['b']);
  });

  it('end what comes again and is wanted no more', async () => {
    pops = await PopEngine.start();
    await pops.send(['a'], { tag: 'A' });
    expect(bodies(await pops.pop())).toEqual(['a']);
    await pops.clock.advance(invisibleDurationMs);
    expect(await pops.pop({ filter: createFilter('TAG', 'B') })).toEqual([]);
    expect(pops.engine.pops.inFlightCount(popGroup, popTopic)).toBe(0);
  });

  it.each([
    ['TAG', 'A', lookedAtCountMax],
    ['SQL92', "TAGS = 'A'", lookedAtCountMax / 16],
  ])('by %s look at so many messages at a time, and then go on', async (type, expression, countMax) => {
    pops = await PopEngine.start();
    for (let sent = 0; sent < countMax; sent += 1_024) {
      await pops.send(numbered(Math.min(1_024, countMax - sent)), { tag: 'B' });
    }
    await pops.send(['wanted'], { tag: 'A' });
    const first = pops.take({ filter: createFilter(type, expression) });
    expect(first).toMatchObject({ queues: [], isUnfinished: true, restCount: 1 });
    expect(bodies(await pops.pop({ filter: createFilter(type, expression) }))).toEqual(['wanted']);
    expect(pops.take()).toMatchObject({ isUnfinished: false, restCount: 0 });
  });
});

describe('bounds', () => {
  it('are the count that was asked for', async () => {
    pops = await PopEngine.start(2);
    await pops.send(numbered(5), { queueId: 0 });
    await pops.send(numbered(5), { queueId: 1 });
    expect(await pops.pop({ countMax: 7 })).toHaveLength(7);
  });

  it(`are ${answerBytesMax} bytes, and the message that goes beyond`, async () => {
    pops = await PopEngine.start();
    await pops.send(Array.from({ length: 5 }, () => 'x'.repeat(answerBytesMax / 2 - 300)));
    expect(await pops.pop()).toHaveLength(3);
    expect(await pops.pop()).toHaveLength(2);
  });

  it('are one message where that is larger', async () => {
    pops = await PopEngine.start();
    await pops.send(['x'.repeat(4_194_304), 'y']);
    expect(await pops.pop()).toHaveLength(1);
    expect(bodies(await pops.pop())).toEqual(['y']);
  });

  it('are what may be in flight of a queue: then acks make room, and what comes again takes none', async () => {
    pops = await PopEngine.start(1, { popInFlightCountMax: 3 });
    await pops.send(numbered(6));
    const first = await pops.pop({ countMax: 2 });
    expect(bodies(await pops.pop())).toEqual(['m2']);
    expect(await pops.pop()).toEqual([]);
    expect(hasMessages(place, pops.engine)).toBe(false);
    for (const message of first) await pops.ack(message);
    expect(bodies(await pops.pop())).toEqual(['m3', 'm4']);
    await pops.clock.advance(invisibleDurationMs);
    expect(bodies(await pops.pop())).toEqual(['m2', 'm3', 'm4']);
  });

  it('are what one batch ack can name', async () => {
    pops = await PopEngine.start();
    const { engine } = pops;
    await pops.send(['a']);
    await pops.pop();
    await pops.clock.advance(invisibleDurationMs);
    engine.store.raiseMaxOffset(popTopic, 0, batchAckSpanMax);
    await engine.offsets.set({ group: popGroup, topic: popTopic, queueId: 0 }, batchAckSpanMax, engine.state);
    await pops.send(['b']);
    expect(await pops.pop()).toMatchObject([{ offset: 0 }]);
    expect(await pops.pop()).toMatchObject([{ offset: batchAckSpanMax }]);
  });
});

describe('what is visible again', () => {
  it('comes before what is new, the lowest first, and says how often it came', async () => {
    pops = await PopEngine.start();
    await pops.send(['a', 'b', 'c']);
    const [a, b] = await pops.pop({ countMax: 2 });
    if (a === undefined || b === undefined) throw new Error('nothing popped');
    await pops.change(b, 0);
    expect(await pops.pop({ countMax: 1 })).toMatchObject([{ body: 'b', reconsumeTimes: 1 }]);
    await pops.clock.advance(invisibleDurationMs);
    const again = await pops.pop();
    expect(again.map(({ body, reconsumeTimes }) => [body, reconsumeTimes])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 0],
    ]);
  });

  it('is not before its time, and is at its time', async () => {
    pops = await PopEngine.start();
    await pops.send(['a']);
    await pops.pop();
    await pops.clock.advance(invisibleDurationMs - 1);
    expect(await pops.pop()).toEqual([]);
    expect(hasMessages(place, pops.engine)).toBe(false);
    await pops.clock.advance(1);
    expect(hasMessages(place, pops.engine)).toBe(true);
    expect(bodies(await pops.pop())).toEqual(['a']);
  });

  it('has another time of delivery than before, also in the same millisecond', async () => {
    pops = await PopEngine.start();
    await pops.send(['a']);
    const [first] = await pops.pop();
    if (first === undefined) throw new Error('nothing popped');
    const given = await pops.change(first, 0);
    const [second] = await pops.pop();
    expect(new Set([first.popTimeMs, given.popTimeMs, second?.popTimeMs]).size).toBe(3);
    expect(await pops.ack(first)).toBe(false);
    expect(await pops.ack(given)).toBe(false);
    expect(second !== undefined && (await pops.ack(second))).toBe(true);
  });

  it('is gone where the queue has lost it', async () => {
    pops = await PopEngine.start(1, { segmentBytes: 4_096, retentionBytes: 8_192 });
    await pops.send(['old']);
    await pops.pop();
    for (let at = 0; at < 40; at += 1) await pops.send(['x'.repeat(1_000)]);
    expect(pops.engine.store.minOffset(popTopic, 0)).toBeGreaterThan(0);
    await pops.clock.advance(invisibleDurationMs);
    expect(bodies(await pops.pop({ countMax: 1 }))).toEqual(['x'.repeat(1_000)]);
    expect(pops.engine.pops.inFlightCount(popGroup, popTopic)).toBe(1);
  });
});

describe('offsets that were set', () => {
  const queue = { group: popGroup, topic: popTopic, queueId: 0 };

  it('back meet what is in flight: it is not taken twice', async () => {
    pops = await PopEngine.start();
    const { engine } = pops;
    await pops.send(['a', 'b', 'c']);
    const [a, b] = await pops.pop();
    if (a === undefined || b === undefined) throw new Error('nothing popped');
    await pops.ack(a);
    await engine.offsets.set(queue, 0, engine.state);
    expect(bodies(await pops.pop())).toEqual(['a']);
    expect(await pops.ack(b)).toBe(true);
  });

  it('by a reset end what is in flight', async () => {
    pops = await PopEngine.start();
    const { engine } = pops;
    await pops.send(['a', 'b', 'c']);
    const [, b] = await pops.pop();
    if (b === undefined) throw new Error('nothing popped');
    await pops.clock.advance(1);
    await engine.offsets.reset(queue, 1, engine.state);
    expect(hasMessages(place, engine)).toBe(true);
    expect(await pops.pop()).toMatchObject([
      { body: 'b', reconsumeTimes: 0 },
      { body: 'c', reconsumeTimes: 0 },
    ]);
    expect(engine.offsets.pendingReset(queue)).toBeUndefined();
    expect(await pops.ack(b)).toBe(false);
  });
});

describe('ordered POPs', () => {
  const ordered = { order: true };

  it('get nothing of a queue until all of the batch before is acknowledged, in any order', async () => {
    pops = await PopEngine.start();
    await pops.send(numbered(4));
    const [a, b] = await pops.pop({ ...ordered, countMax: 2 });
    if (a === undefined || b === undefined) throw new Error('nothing popped');
    expect(await pops.pop(ordered)).toEqual([]);
    expect(hasMessages({ ...place, order: true }, pops.engine)).toBe(false);
    await pops.ack(b);
    expect(await pops.pop(ordered)).toEqual([]);
    await pops.ack(a);
    expect(hasMessages({ ...place, order: true }, pops.engine)).toBe(true);
    expect(bodies(await pops.pop(ordered))).toEqual(['m2', 'm3']);
  });

  it('go on with other queues meanwhile', async () => {
    pops = await PopEngine.start(2);
    await pops.send(['a', 'b'], { queueId: 0 });
    await pops.send(['c'], { queueId: 1 });
    const [first] = await pops.pop({ ...ordered, countMax: 1 });
    const others = await pops.pop(ordered);
    expect(others.map(({ queueId }) => queueId)).toEqual([first?.queueId === 0 ? 1 : 0]);
  });

  it('get all that was not acknowledged again when its time is over, in order, before what is new', async () => {
    pops = await PopEngine.start();
    await pops.send(numbered(4));
    const [, b] = await pops.pop({ ...ordered, countMax: 3 });
    if (b === undefined) throw new Error('nothing popped');
    await pops.ack(b);
    await pops.clock.advance(invisibleDurationMs);
    const again = await pops.pop(ordered);
    expect(again.map(({ body, reconsumeTimes }) => [body, reconsumeTimes])).toEqual([
      ['m0', 1],
      ['m2', 1],
      ['m3', 0],
    ]);
  });

  it('wait for a message that was put off', async () => {
    pops = await PopEngine.start();
    await pops.send(numbered(3));
    const [a, b] = await pops.pop({ ...ordered, countMax: 2 });
    if (a === undefined || b === undefined) throw new Error('nothing popped');
    await pops.change(a, 2 * invisibleDurationMs);
    await pops.clock.advance(invisibleDurationMs);
    expect(await pops.pop(ordered)).toEqual([]);
    await pops.clock.advance(invisibleDurationMs + 1);
    expect(bodies(await pops.pop(ordered))).toEqual(['m0', 'm1', 'm2']);
  });

  it('get the same batch with the same attempt, as the same delivery, by new receipts', async () => {
    pops = await PopEngine.start();
    await pops.send(numbered(4));
    const attempt = { ...ordered, attemptId: 'one', countMax: 3 };
    const first = await pops.pop(attempt);
    const [a, b] = first;
    if (a === undefined || b === undefined) throw new Error('nothing popped');
    await pops.ack(a);
    expect(hasMessages({ ...place, order: true, attemptId: 'one' }, pops.engine)).toBe(true);
    expect(await pops.pop({ ...attempt, attemptId: 'two' })).toEqual([]);
    expect(await pops.pop({ ...ordered, attemptId: '' })).toEqual([]);
    const again = await pops.pop(attempt);
    expect(again.map(({ body, reconsumeTimes }) => [body, reconsumeTimes])).toEqual([
      ['m1', 0],
      ['m2', 0],
    ]);
    expect(await pops.ack(b)).toBe(false);
    for (const message of again) expect(await pops.ack(message)).toBe(true);
    expect(bodies(await pops.pop(attempt))).toEqual(['m3']);
  });

  it('get the batch of their attempt first, whatever queue it is in', async () => {
    pops = await PopEngine.start(4);
    for (const queueId of [0, 1, 2, 3]) await pops.send(numbered(2), { queueId });
    const attempt = { ...ordered, attemptId: 'one', countMax: 2 };
    const first = await pops.pop(attempt);
    const again = await pops.pop(attempt);
    expect(again.map(({ queueId, offset }) => [queueId, offset])).toEqual(
      first.map(({ queueId, offset }) => [queueId, offset]),
    );
  });

  it('count an attempt that comes after its time as a delivery', async () => {
    pops = await PopEngine.start();
    await pops.send(['a']);
    const attempt = { ...ordered, attemptId: 'one' };
    await pops.pop(attempt);
    await pops.clock.advance(invisibleDurationMs);
    expect(await pops.pop(attempt)).toMatchObject([{ body: 'a', reconsumeTimes: 1 }]);
  });

  it('do not take what POPs without order took for a batch of theirs', async () => {
    pops = await PopEngine.start();
    await pops.send(numbered(3));
    const attempt = { ...ordered, attemptId: 'one', countMax: 1 };
    await pops.pop(attempt);
    await pops.pop({ countMax: 1 });
    expect(await pops.pop(attempt)).toEqual([]);
  });
});

describe('a restart', () => {
  it('keeps what is in flight, its receipts, its order and its counts', async () => {
    pops = await PopEngine.startDurable(2);
    await pops.send(numbered(4), { queueId: 0 });
    await pops.send(numbered(2), { queueId: 1 });
    const attempt = { queueId: 1, order: true, attemptId: 'one' };
    const [a, b] = await pops.pop({ queueId: 0, countMax: 2 });
    await pops.pop(attempt);
    if (a === undefined || b === undefined) throw new Error('nothing popped');
    await pops.change(b, 0);
    const [again] = await pops.pop({ queueId: 0, countMax: 1 });
    if (again === undefined) throw new Error('nothing popped');
    await pops.restart();
    expect(await pops.ack(a)).toBe(true);
    expect(await pops.ack(b)).toBe(false);
    expect(bodies(await pops.pop({ queueId: 0 }))).toEqual(['m2', 'm3']);
    expect(await pops.pop({ queueId: 1, order: true })).toEqual([]);
    expect(await pops.pop(attempt)).toMatchObject([{ body: 'm0', reconsumeTimes: 0 }, { body: 'm1' }]);
    await pops.clock.advance(invisibleDurationMs);
    expect(await pops.pop({ queueId: 0 })).toMatchObject([
      { body: 'm1', reconsumeTimes: 2 },
      { body: 'm2', reconsumeTimes: 1 },
      { body: 'm3', reconsumeTimes: 1 },
    ]);
  });

  it('makes visible what was due meanwhile', async () => {
    pops = await PopEngine.startDurable();
    await pops.send(['a']);
    await pops.pop();
    await pops.engine.state.settled();
    const restarted = pops.restart();
    await pops.clock.advance(invisibleDurationMs);
    await restarted;
    expect(await pops.pop()).toMatchObject([{ body: 'a', reconsumeTimes: 1 }]);
  });
});

describe('a topic that was made smaller', () => {
  it('is read as far as it goes', async () => {
    pops = await PopEngine.start(2);
    const { engine } = pops;
    await pops.send(['a'], { queueId: 0 });
    await pops.send(['b'], { queueId: 1 });
    await engine.topics.put(newTopic(popTopic, 1), engine.state);
    expect(bodies(await pops.pop())).toEqual(['a']);
  });
});

it('changes nothing where nothing was found', async () => {
  pops = await PopEngine.start();
  const { engine } = pops;
  const taken = takeMessages(
    { ...place, startsAtEnd: true, filter: createFilter('TAG', '*'), countMax: 1, invisibleDurationMs: 1 },
    engine,
  );
  await taken.stored;
  expect(engine.offsets.get({ group: popGroup, topic: popTopic, queueId: 0 })).toBeUndefined();
  expect(engine.pops.snapshot()).toEqual([]);
});
