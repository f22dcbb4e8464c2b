import { describe, expect, it } from 'vitest';
import { Offenders, offencesMax, offendersMax } from '../../../src/proxy/port/offenders.ts';

/** With a clock that tests set. */
function create(refusalMs = 60_000) {
  let nowMs = 5;
  const offenders = new Offenders(refusalMs, () => nowMs);
  return {
    offenders,
    pass: (ms: number): void => {
      nowMs += ms;
    },
    offend: (address: string, count: number): void => {
      for (let offence = 0; offence < count; offence += 1) offenders.add(address);
    },
  };
}

describe('an address', () => {
  it('is refused from its third offence on, and no other', () => {
    const { offenders, offend } = create();
    offend('10.0.0.1', offencesMax - 1);
    expect(offenders.areRefused('10.0.0.1')).toBe(false);
    offend('10.0.0.1', 1);
    expect([offenders.areRefused('10.0.0.1'), offenders.areRefused('10.0.0.2')]).toEqual([true, false]);
  });

  it('is refused for that long, and then begins anew', () => {
    const { offenders, offend, pass } = create();
    offend('10.0.0.1', offencesMax);
    pass(59_999);
    expect(offenders.areRefused('10.0.0.1')).toBe(true);
    pass(1);
    expect(offenders.areRefused('10.0.0.1')).toBe(false);
    offend('10.0.0.1', offencesMax - 1);
    expect(offenders.areRefused('10.0.0.1')).toBe(false);
  });

  it('is forgiven offences that are far apart', () => {
    const { offenders, offend, pass } = create();
    for (let offence = 0; offence < 10; offence += 1) {
      offend('10.0.0.1', 1);
      pass(60_000);
    }
    expect(offenders.areRefused('10.0.0.1')).toBe(false);
  });

  it('is never refused where no time is set', () => {
    const { offenders, offend } = create(0);
    offend('10.0.0.1', 100);
    expect(offenders.areRefused('10.0.0.1')).toBe(false);
  });

  it('is forgotten for later ones when there are too many', () => {
    const { offenders, offend } = create();
    offend('10.0.0.1', offencesMax);
    offend('10.0.0.2', offencesMax);
    for (let other = 0; other < offendersMax - 1; other += 1) offend(`10.1.${other}`, 1);
    expect([offenders.areRefused('10.0.0.1'), offenders.areRefused('10.0.0.2')]).toEqual([false, true]);
  });
});
