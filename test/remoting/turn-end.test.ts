import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TurnEnd } from '../../src/remoting/turn-end.ts';

describe('the end of a turn', () => {
  it('has what was gathered before what leaves, whichever was said first', async () => {
    const turn = new TurnEnd();
    const calls: string[] = [];
    turn.leave(() => calls.push('left'));
    turn.gather(() => calls.push('gathered'));
    turn.gather(() => calls.push('gathered too'));
    expect(calls).toEqual([]);
    await nextTurn();
    expect(calls).toEqual(['gathered', 'gathered too', 'left']);
  });

  it('has what its own microtasks ask to leave, once and in the same turn', async () => {
    const turn = new TurnEnd();
    const calls: string[] = [];
    const ask = async (name: string, steps: number): Promise<void> => {
      for (let step = 0; step < steps; step += 1) await undefined;
      turn.leave(() => calls.push(name));
    };
    turn.gather(() => void ask('soon', 1));
    turn.gather(() => void ask('late', 50));
    await nextTurn();
    expect(calls).toEqual(['soon', 'late']);
    await nextTurn();
    expect(calls).toHaveLength(2);
  });

  it('comes again for what is asked while it is there', async () => {
    const turn = new TurnEnd();
    const calls: string[] = [];
    turn.gather(() => turn.gather(() => calls.push('gathered next')));
    turn.leave(() => turn.leave(() => calls.push('left next')));
    await nextTurn();
    expect(calls).toEqual([]);
    await nextTurn();
    expect(calls).toEqual(['gathered next', 'left next']);
  });
});
