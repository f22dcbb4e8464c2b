/** How figures are put together and shown. */
import { cpus } from 'node:os';

/** One line of a table: what stands in each column. */
export type Row = Readonly<Record<string, string | number>>;

/** Machine, versions and date: without them a figure says nothing. */
export function headOf(title: string): string {
  const { model = 'unknown processor' } = cpus()[0] ?? {};
  const day = new Date().toISOString().slice(0, 10);
  return `# ${title}\n\n${day}, ${cpus().length} × ${model}, Node ${process.versions.node}\n`;
}

/** Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const lines = rows.map((row) => `| ${names.map((name) => row[name]).join(' | ')} |`);
  return [`| ${names.join(' | ')} |`, `|${names.map(() => '---:').join('|')}|`, ...lines].join('\n');
}

/** The value below which the share `part` of the sorted values lies. */
export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((one, other) => one - other),
    0.5,
  );
}

/** The median, and behind it the least and the most: `18825 (17699–19236)`. */
export function spread(values: readonly number[]): string {
  const whole = values.map(Math.round);
  return `${median(whole)} (${Math.min(...whole)}–${Math.max(...whole)})`;
}
