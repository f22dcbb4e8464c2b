import { appendFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import { checkoutDirectory } from '../rocketmq/java.ts';
import type { History, Verdict } from '../support/history.ts';

/** One line of the table. */
export interface Figure {
  /** `R-nn` of the list of faults. */
  readonly row: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What it is held to, as text. */
  readonly bound: string;
  readonly held: boolean;
  /** Load average of the machine, over a minute, when it was measured. */
  readonly load: number;
}

/** The figures of one row. All are measured and told first; `judge` fails when one of them was not held. */
export class Row {
  readonly #row: string;
  readonly #broken: string[] = [];

  constructor(row: string) {
    this.#row = row;
  }

  /** @param unit may be empty, for counts. */
  atMost(what: string, value: number, bound: number, unit = ''): this {
    return this.#add(what, { value, unit, bound: `<= ${bound} ${unit}`.trim(), held: value <= bound });
  }

  atLeast(what: string, value: number, bound: number, unit = ''): this {
    return this.#add(what, { value, unit, bound: `>= ${bound} ${unit}`.trim(), held: value >= bound });
  }

  exactly(what: string, value: number, bound: number): this {
    return this.#add(what, { value, unit: '', bound: String(bound), held: value === bound });
  }

  /** A figure without a bound. */
  tell(what: string, value: number, unit = ''): this {
    return this.#add(what, { value, unit, bound: '', held: true });
  }

  /** What every history must show. It is kept in `build/faults`, for whoever wants to know why. */
  judged(history: History): Verdict {
    const verdict = history.judge();
    history.write(join(checkoutDirectory(), 'build', 'faults', `${this.#row}.jsonl`));
    this.tell('messages sent', verdict.sentCount)
      .exactly('lost', verdict.lost.length, 0)
      .exactly('unexpected duplicates', verdict.unexpectedDuplicates.length, 0)
      .exactly('told "not stored" and delivered', verdict.falselyRefused.length, 0)
      .exactly('delivered and never sent', verdict.invented.length, 0);
    return verdict;
  }

  /** To be called last. */
  judge(): void {
    expect(this.#broken, `figures of ${this.#row} that do not hold`).toEqual([]);
  }

  #add(what: string, { value, unit, bound, held }: Pick<Figure, 'value' | 'unit' | 'bound' | 'held'>): this {
    const figure: Figure = { row: this.#row, what, value, unit, bound, held, load: loadavg()[0] ?? 0 };
    appendFileSync(inject('figuresFile'), `${JSON.stringify(figure)}\n`);
    if (!held) this.#broken.push(`${what}: ${value} ${unit} instead of ${bound}`);
    return this;
  }
}

/** Largest of the values; 0 of none. */
export function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

/** The value that so many of a hundred are not above; 0 of none. */
export function percentile(values: readonly number[], hundredth: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * hundredth) / 100))] ?? 0;
}
