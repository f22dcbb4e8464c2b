const firstMs = 20;
const longestMs = 1_000;

/**
 * The pause before try `attempt` (2 for the first retry), in ms: up to 20, 40, 80 … 1,000, any length below with equal chance,
 * so that clients that failed together do not come back together.
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(longestMs, firstMs * 2 ** (attempt - 2));
}
