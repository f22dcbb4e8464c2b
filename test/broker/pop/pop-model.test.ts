import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PopEngine, type PoppedMessage } from '../../support/pop-engine.ts';

/** What must be so of one message. */
interface ModelMessage {
  readonly queueId: number;
  readonly body: string;
  state: 'new' | 'popped' | 'done';
  /** Receipts by their pop time; only the last one counts. */
  popTimeMs: number;
  visibleAtMs: number;
  deliveryCount: number;
  /** Acks are remembered until the engine starts again, and maybe longer. */
  isAckRemembered: boolean;
}

const queueCount = 2;
const durationMs = 1_000;

/** The simplest thing that behaves as the engine must: every message with its state, by queue and offset. */
class Model {
  readonly queues: ModelMessage[][] = Array.from({ length: queueCount }, () => []);
  nowMs = 0;
  sentCount = 0;

  find({ queueId, offset }: { readonly queueId: number; readonly offset: number }): ModelMessage {
    const message = this.queues[queueId]?.[offset];
    if (message === undefined) throw new Error(`the engine made up message ${offset} of queue ${queueId}`);
    return message;
  }

  isInvisible(message: ModelMessage): boolean {
    return message.state === 'popped' && message.visibleAtMs > this.nowMs;
  }

  isAvailable(message: ModelMessage): boolean {
    return message.state === 'new' || (message.state === 'popped' && !this.isInvisible(message));
  }
}

/** What the engine handed out and the test still knows: old receipts too, which must be good for nothing. */
interface Real {
  readonly pops: PopEngine;
  readonly receipts: PoppedMessage[];
  readonly order: boolean;
}

type Command = fc.AsyncCommand<Model, Real>;

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

function send(queueId: number, count: number): Command {
  return command(`send(${queueId}, ${count})`, async (model, { pops }) => {
    const bodies = Array.from({ length: count }, () => {
      model.sentCount += 1;
      return `m${model.sentCount}`;
    });
    await pops.send(bodies, { queueId });
    for (const body of bodies) {
      const times = { popTimeMs: 0, visibleAtMs: 0, deliveryCount: 0 };
      model.queues[queueId]?.push({ queueId, body, state: 'new', ...times, isAckRemembered: true });
    }
  });
}

function pop(countMax: number, queueId: number): Command {
  return command(`pop(${countMax}, ${queueId})`, async (model, real) => {
    const { pops, receipts, order } = real;
    const messages = await pops.pop({ countMax, queueId, order, invisibleDurationMs: durationMs });
    const open = model.queues.map((queue, id) => {
      const isAsked = queueId < 0 || queueId === id;
      const isBlocked = order && queue.some((one) => model.isInvisible(one));
      return isAsked && !isBlocked ? queue.filter((one) => model.isAvailable(one)) : [];
    });
    expect(messages).toHaveLength(Math.min(countMax, open.flat().length));
    for (const [id, available] of open.entries()) {
      const taken = messages.filter((one) => one.queueId === id);
      // Whatever is taken of a queue is its lowest that may be taken: what is in flight again lies before what is new.
      expect(taken.map(({ body }) => body)).toEqual(available.slice(0, taken.length).map(({ body }) => body));
    }
    for (const message of messages) {
      const known = model.find(message);
      expect(message.reconsumeTimes).toBe(known.deliveryCount);
      expect(message.popTimeMs).toBeGreaterThan(known.popTimeMs);
      known.state = 'popped';
      known.popTimeMs = message.popTimeMs;
      known.visibleAtMs = model.nowMs + durationMs;
      known.deliveryCount += 1;
    }
    receipts.push(...messages);
  });
}

function ack(choice: number): Command {
  return command(`ack(${choice})`, async (model, { pops, receipts }) => {
    const receipt = receipts[choice % receipts.length];
    if (receipt === undefined) return;
    const known = model.find(receipt);
    const isLast = known.popTimeMs === receipt.popTimeMs;
    const isAgain = known.state === 'done' && isLast && receipt.popTimeMs + durationMs > pops.clock.now();
    const counts = isAgain || (isLast && model.isInvisible(known));
    const acked = await pops.ack(receipt, durationMs);
    if (!isAgain || known.isAckRemembered) expect(acked).toBe(counts);
    if (counts) known.state = 'done';
  });
}

function change(choice: number, changedMs: number): Command {
  return command(`change(${choice}, ${changedMs})`, async (model, { pops, receipts }) => {
    const receipt = receipts[choice % receipts.length];
    if (receipt === undefined) return;
    const known = model.find(receipt);
    if (known.popTimeMs !== receipt.popTimeMs || !model.isInvisible(known)) {
      await expect(pops.change(receipt, changedMs)).rejects.toThrow('no message');
      return;
    }
    const changed = await pops.change(receipt, changedMs);
    expect(changed.popTimeMs).toBeGreaterThan(receipt.popTimeMs);
    receipts.push(changed);
    known.popTimeMs = changed.popTimeMs;
    known.visibleAtMs = model.nowMs + changedMs;
  });
}

function advance(ms: number): Command {
  return command(`advance(${ms})`, async (model, { pops }) => {
    await pops.clock.advance(ms);
    model.nowMs += ms;
  });
}

function restart(how: 'restart' | 'crash'): Command {
  return command(how, async (model, { pops }) => {
    await pops[how]();
    for (const message of model.queues.flat()) message.isAckRemembered &&= message.state !== 'done';
  });
}

const commands = fc.commands(
  [
    fc.tuple(fc.nat(queueCount - 1), fc.integer({ min: 1, max: 5 })).map(([queueId, count]) => send(queueId, count)),
    fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: -1, max: queueCount - 1 }))
      .map(([count, queueId]) => pop(count, queueId)),
    fc.nat(100).map(ack),
    fc.nat(100).map(ack),
    fc.tuple(fc.nat(100), fc.constantFrom(0, 1, 500, 3_000)).map(([choice, ms]) => change(choice, ms)),
    fc.constantFrom(1, 300, 500, 1_000, 2_000).map(advance),
    fc.constantFrom('restart' as const, 'crash' as const).map(restart),
  ],
  { size: '+1' },
);

describe.each([
  ['without order', false],
  ['in order', true],
])('whatever clients do %s', (_, order) => {
  it('nothing is lost, nothing comes while it is invisible, nothing is overtaken, and old receipts are good for nothing', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const pops = await PopEngine.startDurable(queueCount);
        const model = new Model();
        try {
          await fc.asyncModelRun(() => ({ model, real: { pops, receipts: [], order } }), steps);
          // In the end, all that was not acknowledged comes.
          const left = model.queues.flat().filter(({ state }) => state !== 'done');
          await pops.clock.advance(10_000);
          const rest: string[] = [];
          for (let more = await pops.pop(); more.length > 0; more = await pops.pop())
            rest.push(...more.map((one) => one.body));
          expect(rest.sort()).toEqual(left.map(({ body }) => body).sort());
        } finally {
          await pops.close();
        }
      }),
      { numRuns: 20 },
    );
  }, 60_000);
});
