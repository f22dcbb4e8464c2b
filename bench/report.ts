/** How figures are put together and shown. */
import { cpus, release, totalmem, type } from 'node:os';

/** One line of a table: what stands in each column. */
export type Row = Readonly<Record<string, string | number>>;

/** Machine, versions and date: without them a figure says nothing. @param versions Of what takes part beside Node. */
export function headOf(title: string, versions: readonly string[] = []): string {
  const { model = 'unknown processor' } = cpus()[0] ?? {};
  const day = new Date().toISOString().slice(0, 10);
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const machine = `${cpus().length} × ${model} with ${gigabytes} GB, ${type()} ${release()}`;
  return `# ${title}\n\n${[day, machine, `Node ${process.versions.node}`, ...versions].join(', ')}\n`;
}

/** Markdown, with the columns of all rows. */
export function tableOf(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const lines = rows.map((row) => `| ${names.map((name) => row[name] ?? '–').join(' | ')} |`);
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

/** The median, and behind it the least and the most: `18825 (17699–19236)`; one value alone, a dash for none. */
export function spread(values: readonly number[], digits = 0): string {
  if (values.length === 0) return '–';
  const shown = (value: number): string => value.toFixed(digits);
  const middle = shown(median(values));
  return values.length === 1 ? middle : `${middle} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`;
}
