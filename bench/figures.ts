/** What was measured, and the tables made of it. */
import { median, type Row, spread } from './report.ts';

/** What may be measured, and with how many digits after the point it is shown. */
export const columns = {
  'messages/s': 0,
  'p50 ms': 2,
  'p99 ms': 2,
  'CPU µs/message': 0,
  'broker CPU µs/message': 0,
  'peak MB': 0,
  'KB/stream': 1,
  'CPU µs/stream and second': 0,
  'load cores': 2,
} as const;

export type Column = keyof typeof columns;

/** What one measurement gave. */
export type Round = Readonly<Partial<Record<Column, number>>>;

/** What one of those that are compared was measured to do. */
export interface Figures {
  /** What it was to do. */
  readonly case: string;
  readonly name: string;
  readonly rounds: readonly Round[];
  /** Why rounds are missing; empty where none is. */
  readonly failures: readonly string[];
}

const columnNames = Object.keys(columns) as readonly Column[];

/** The median of all rounds; undefined where it was not measured. */
export function medianOf({ rounds }: Pick<Figures, 'rounds'>, column: Column): number | undefined {
  const values = valuesOf(rounds, column);
  return values.length === 0 ? undefined : median(values);
}

/** A line for each, with the columns that were measured of any of them. */
export function rowsOf(figures: readonly Figures[]): Row[] {
  const shown = columnNames.filter((column) => figures.some(({ rounds }) => valuesOf(rounds, column).length > 0));
  return figures.map(({ case: name, name: who, rounds, failures }) => ({
    case: name,
    who,
    ...Object.fromEntries(shown.map((column) => [column, spread(valuesOf(rounds, column), columns[column])])),
    ...(figures.some((one) => one.failures.length > 0) ? { 'failed rounds': failures.length } : {}),
  }));
}

/** The medians of each whose name begins with `own`, divided by those of the peer of the same case. */
export function ratiosOf(figures: readonly Figures[], own: string, peerName: string): Row[] {
  return figures.flatMap((one) => {
    const peer = figures.find((other) => other.name === peerName && other.case === one.case);
    if (peer === undefined || !one.name.startsWith(own)) return [];
    const ratios = columnNames.flatMap((column) => {
      const [value, other] = [medianOf(one, column), medianOf(peer, column)];
      return value === undefined || !other ? [] : [[column, (value / other).toFixed(2)] as const];
    });
    return ratios.length === 0 ? [] : [{ case: one.case, who: one.name, ...Object.fromEntries(ratios) }];
  });
}

/** Of what could not even begin: a line in the table of the others. */
export function failedFigures(name: string, who: string, error: unknown): Figures {
  return { case: name, name: who, rounds: [], failures: [wordsOf(error)] };
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A line for each of those that a round is missing of. */
export function failuresOf(question: string, figures: readonly Figures[]): string[] {
  return figures.flatMap(({ case: name, name: who, failures }) =>
    failures.map((failure) => `Failed: ${question}, ${name}, ${who}: ${failure}`),
  );
}

function valuesOf(rounds: readonly Round[], column: Column): number[] {
  return rounds.flatMap((round) => round[column] ?? []);
}
