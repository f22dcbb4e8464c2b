import { describe, expect, it } from 'vitest';
import { type DeliveryEvent, History, type HistoryEvent, type SendOutcome } from './history.ts';

function sent(id: string, outcome: SendOutcome = 'stored'): HistoryEvent {
  return { op: 'send', id, startMs: 0, endMs: 1, outcome };
}

function delivered(id: string, queueOffset: number, more: Partial<DeliveryEvent> = {}): HistoryEvent {
  return { op: 'delivery', id, queue: 'a/0', queueOffset, attempt: '1', atMs: 10, ...more };
}

function acked(id: string, queueOffset: number, endMs: number, inTime = true): HistoryEvent {
  return { op: 'ack', id, queue: 'a/0', queueOffset, endMs, inTime };
}

function judged(...events: readonly HistoryEvent[]) {
  const history = new History();
  for (const event of events) history.add(event);
  return history.judge();
}

describe('the judge of histories', () => {
  it('has nothing to say of what went well', () => {
    expect(judged(sent('x'), sent('y'), delivered('x', 0), acked('x', 0, 20), delivered('y', 1))).toEqual({
      sentCount: 2,
      storedCount: 2,
      unknownCount: 0,
      notStoredCount: 0,
      lost: [],
      falselyRefused: [],
      invented: [],
      unexpectedDuplicates: [],
      retriedDuplicates: [],
      disorder: [],
      offsetsBack: [],
    });
  });

  it('misses what was told to be stored, and nothing else', () => {
    expect(judged(sent('x'), sent('y', 'unknown'), sent('z', 'notStored')).lost).toEqual(['x']);
  });

  it('finds what was told not to be stored, and what nobody sent', () => {
    const { falselyRefused, invented } = judged(sent('x', 'notStored'), delivered('x', 0), delivered('y', 1));
    expect({ falselyRefused, invented }).toEqual({ falselyRefused: ['x'], invented: ['y'] });
  });

  it('tells two copies of one try from those of two tries', () => {
    const { unexpectedDuplicates, retriedDuplicates } = judged(
      sent('x'),
      sent('y'),
      delivered('x', 0),
      delivered('x', 1),
      delivered('y', 2),
      delivered('y', 3, { attempt: '2' }),
    );
    expect({ unexpectedDuplicates, retriedDuplicates }).toEqual({
      unexpectedDuplicates: ['x'],
      retriedDuplicates: ['y'],
    });
  });

  it('takes a second delivery of a copy for one too many only where an ack in time came before', () => {
    const again = (inTime: boolean, endMs: number): readonly string[] =>
      judged(sent('x'), delivered('x', 0), acked('x', 0, endMs, inTime), delivered('x', 0, { atMs: 50 }))
        .unexpectedDuplicates;
    expect(again(true, 20)).toEqual(['x']);
    expect(again(false, 20)).toEqual([]);
    expect(again(true, 60)).toEqual([]);
  });

  it('sees who overtook whom, in a queue and in a key, at the first delivery only', () => {
    expect(judged(delivered('x', 1), delivered('y', 0), delivered('x', 1)).disorder).toEqual(['a/0: 0 after 1']);
    const { disorder } = judged(
      delivered('x', 0, { key: 'k', sequence: 1 }),
      delivered('y', 0, { key: 'k', sequence: 0, queue: 'b/0' }),
      delivered('x', 1, { key: 'k', sequence: 1, queue: 'b/0' }),
    );
    expect(disorder).toEqual(['k: 0 after 1']);
    const late = judged(
      sent('x', 'unknown'),
      delivered('y', 0, { key: 'k', sequence: 1 }),
      delivered('x', 1, { key: 'k', sequence: 0 }),
    );
    expect(late.disorder).toEqual([]);
  });

  it('sees offsets that were committed backwards', () => {
    const commit = (queueOffset: number): HistoryEvent => ({ op: 'commit', queue: 'a/0', queueOffset });
    expect(judged(commit(3), commit(3), commit(5), commit(4)).offsetsBack).toEqual(['a/0: 4 after 5']);
  });
});
