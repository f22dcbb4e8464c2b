import { once } from 'node:events';

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

/** Waits for the line that tells this program, and others beside it, to begin. */
async function sayReady(): Promise<void> {
  console.log(JSON.stringify({ event: 'ready' }));
  await once(process.stdin, 'data');
}

/** Says that what is measured begins now. */
export function sayMeasured(): void {
  console.log(JSON.stringify({ event: 'measured' }));
}

/** Says what was measured. */
export function sayDone(count: number, durationMs: number, latencies: readonly number[] = []): void {
  const latenciesMicros = latencies.map((latencyMs) => Math.round(latencyMs * 1_000));
  console.log(JSON.stringify({ event: 'done', count, seconds: durationMs / 1_000, latenciesMicros }));
}

/** As in `peers/go/measure.go`. */
const warmTimesMax = 5;
const warmCount = 5_000;

/** Loads to get warm, for `warmMs` and longer where that is slow, then, once told to, for `measuredMs`, and says what that gave. */
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
  await sayReady();
  const startedMs = performance.now();
  const latencies = await load(inFlight, measuredMs, call);
  sayDone(latencies.length, performance.now() - startedMs, latencies);
}
