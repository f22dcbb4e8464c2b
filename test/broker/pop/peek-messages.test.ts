import { afterEach, describe, expect, it } from 'vitest';
import { peekMessages } from '../../../src/broker/pop/peek-messages.ts';
import { answerBytesMax } from '../../../src/broker/pop/take-messages.ts';
import { decodeStoredMessages } from '../../../src/remoting/stored-message.ts';
import { PopEngine, popGroup, popTopic } from '../../support/pop-engine.ts';

let pops: PopEngine;

afterEach(() => pops.close());

const place = { group: popGroup, topic: popTopic, queueId: -1, order: false, attemptId: '' };

function peek(changes: Partial<typeof place> = {}, countMax = 32) {
  const { records, restCount } = peekMessages({ ...place, ...changes }, countMax, pops.engine);
  return { bodies: decodeStoredMessages(Buffer.concat(records)).map(({ body }) => body.toString()), restCount };
}

describe('peekMessages', () => {
  it('reads what no POP took yet, queue by queue', async () => {
    pops = await PopEngine.start(2);
    await pops.send(['a', 'b'], { queueId: 0 });
    await pops.send(['c'], { queueId: 1 });
    await pops.pop({ countMax: 1, queueId: 0 });
    expect(peek()).toEqual({ bodies: ['b', 'c'], restCount: 2 });
    expect(peek({}, 1)).toEqual({ bodies: ['b'], restCount: 2 });
    expect(peek({ queueId: 1 })).toEqual({ bodies: ['c'], restCount: 1 });
    expect(peek({ group: 'other' }).bodies).toEqual(['a', 'b', 'c']);
    expect(peek({ topic: 'nowhere' })).toEqual({ bodies: [], restCount: 0 });
  });

  it('reads as many bytes as a POP would', async () => {
    pops = await PopEngine.start();
    await pops.send(Array.from({ length: 4 }, () => 'x'.repeat(answerBytesMax / 2)));
    expect(peek()).toMatchObject({ bodies: [expect.anything(), expect.anything()], restCount: 4 });
  });

  it('starts within the queue, whatever offset the group has', async () => {
    pops = await PopEngine.start();
    await pops.send(['a']);
    await pops.engine.offsets.set({ group: popGroup, topic: popTopic, queueId: 0 }, 9, pops.engine.state);
    expect(peek()).toEqual({ bodies: [], restCount: 0 });
  });
});
