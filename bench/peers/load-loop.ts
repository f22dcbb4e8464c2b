import { percentile } from '../report.ts';

/** Keeps so many calls in flight for a while; the time of each, in ms. A call that fails ends the program. */
export async function load(
  inFlight: number,
  durationMs: number,
  call: (turn: number) => Promise<unknown>,
): Promise<number[]> {
  const latencies: number[] = [];
  const untilMs = performance.now() + durationMs;
  const worker = async (index: number): Promise<void> => {
    for (let nowMs = performance.now(), turn = index; nowMs < untilMs; turn += 1) {
      await call(turn);
      const doneMs = performance.now();
      latencies.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, index) => worker(index)));
  return latencies;
}

/** Says that what is measured begins now. */
export function sayMeasured(): void {
  console.log(JSON.stringify({ event: 'measured' }));
}

/** Says what was measured. */
export function sayDone(count: number, durationMs: number, latencies: readonly number[] = []): void {
  const sorted = [...latencies].sort((one, other) => one - other);
  const at = (part: number): number => (sorted.length === 0 ? 0 : percentile(sorted, part));
  console.log(JSON.stringify({ event: 'done', count, seconds: durationMs / 1_000, p50Ms: at(0.5), p99Ms: at(0.99) }));
}

/** As in `peers/go/measure.go`. */
const warmTimesMax = 5;
const warmCount = 5_000;

/** Loads to get warm, for `warmMs` and longer where that is slow, then for `measuredMs`, and says what the second gave. */
export async function measureLoad(
  inFlight: number,
  { warmMs, measuredMs }: { readonly warmMs: number; readonly measuredMs: number },
  call: (turn: number) => Promise<unknown>,
): Promise<void> {
  const begunMs = performance.now();
  const hasPassed = (timeMs: number): boolean => performance.now() - begunMs >= timeMs;
  for (let count = 0; !hasPassed(warmMs) || (count < warmCount && !hasPassed(warmTimesMax * warmMs)); ) {
    count += (await load(inFlight, warmMs / 4, call)).length;
  }
  sayMeasured();
  const startedMs = performance.now();
  const latencies = await load(inFlight, measuredMs, call);
  sayDone(latencies.length, performance.now() - startedMs, latencies);
}
