/**
 * Some servers did what was asked of all, and some did not. Asking again is safe: everything an administrator asks for may be done twice.
 */
export class PartialFailureError extends Error {
  /** Why each of the others failed, by broker name, or by address where it is a name server. */
  readonly failures: ReadonlyMap<string, unknown>;
  /** The servers that have done it. */
  readonly succeeded: readonly string[];

  constructor(what: string, failures: ReadonlyMap<string, unknown>, succeeded: readonly string[]) {
    const reasons = Array.from(failures, ([server, reason]) => `${server}: ${textOf(reason)}`);
    const done = succeeded.length === 0 ? 'no server has done it' : `done by ${succeeded.join(', ')}`;
    super(`${what} failed at ${reasons.join('; ')} (${done})`, { cause: failures.values().next().value });
    this.name = 'PartialFailureError';
    this.failures = failures;
    this.succeeded = succeeded;
  }
}

/**
 * Waits for all, and gives what each said.
 * @param what What was asked for, for the error.
 * @throws PartialFailureError when one of them failed, after all have ended.
 */
export async function allResults<T>(
  what: string,
  calls: ReadonlyMap<string, Promise<T>>,
): Promise<ReadonlyMap<string, T>> {
  const results = new Map<string, T>();
  const failures = new Map<string, unknown>();
  // Else one that fails while another is waited for would count as nobody's.
  for (const call of calls.values()) call.catch(() => {});
  for (const [server, call] of calls) {
    try {
      results.set(server, await call);
    } catch (error) {
      failures.set(server, error);
    }
  }
  if (failures.size > 0) throw new PartialFailureError(what, failures, [...results.keys()]);
  return results;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
