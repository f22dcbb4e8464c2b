import { GrpcError, StatusCode } from './status.ts';

/** Longest deadline that Node's timers can keep, in ms: 24.8 days. */
export const timeoutMsMax = 2_147_483_647;

const digitsMax = 8;

/** Milliseconds in each unit of `grpc-timeout`. */
const unitsMs: ReadonlyMap<string, number> = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1_000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
]);

/**
 * Reads `grpc-timeout`.
 * @returns milliseconds; undefined for a deadline further away than timers reach: no call lasts that long, and streams live on without one.
 * @throws GrpcError INTERNAL where it is malformed, as grpc-go has it.
 */
export function readTimeoutMs(text: string): number | undefined {
  const unitMs = unitsMs.get(text.at(-1) ?? '');
  const count = countOf(text.slice(0, -1));
  if (unitMs === undefined || count === undefined) throw new GrpcError(StatusCode.INTERNAL, 'malformed grpc-timeout');
  const timeoutMs = count * unitMs;
  return timeoutMs > timeoutMsMax ? undefined : timeoutMs;
}

function countOf(digits: string): number | undefined {
  if (digits.length === 0 || digits.length > digitsMax) return undefined;
  let count = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = digits.charCodeAt(place) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    count = count * 10 + digit;
  }
  return count;
}
