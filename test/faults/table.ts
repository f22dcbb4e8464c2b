/** Set-up of every project: what its tests measured is printed as one table when all have ended. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { Figure } from './figures.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where figures are written, one JSON line each. */
    figuresFile: string;
  }
}

export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'));
  const file = join(folder, 'figures.jsonl');
  project.provide('figuresFile', file);
  return () => {
    const figures = readFigures(file);
    if (figures.length > 0) process.stdout.write(`\n${table(figures)}\n`);
    rmSync(folder, { recursive: true, force: true });
  };
}

function readFigures(file: string): Figure[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line): Figure => JSON.parse(line));
  } catch {
    return [];
  }
}

/** Rows in the order of their names, figures as they came. */
function table(figures: readonly Figure[]): string {
  const head = ['row', 'figure', 'measured', 'bound', 'held', 'load'];
  const rows = figures
    .toSorted((one, other) => one.row.localeCompare(other.row))
    .map(({ row, what, value, unit, bound, held, load }) => [
      row,
      what,
      `${rounded(value)} ${unit}`.trim(),
      bound,
      held ? 'yes' : 'NO',
      load.toFixed(1),
    ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 0);
}
