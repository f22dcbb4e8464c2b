/** Offsets in groups of neighbours, `[first, count, first, count, …]`: mostly one POP takes neighbours, and state is kept small so. */
export type Runs = readonly number[];

/** The runs of these offsets, in their order. */
export function toRuns(offsets: readonly number[]): number[] {
  const runs: number[] = [];
  let next = Number.NaN;
  for (const offset of offsets) {
    if (offset === next) runs[runs.length - 1] = (runs.at(-1) ?? 0) + 1;
    else runs.push(offset, 1);
    next = offset + 1;
  }
  return runs;
}

/** Calls `visit` with each offset. */
export function eachOffset(runs: Runs, visit: (offset: number) => void): void {
  for (let at = 0; at + 1 < runs.length; at += 2) {
    const first = runs[at] ?? 0;
    const end = first + (runs[at + 1] ?? 0);
    for (let offset = first; offset < end; offset += 1) visit(offset);
  }
}
