import { Code, type ConnectError } from '@connectrpc/connect';
import type { Log } from '../../log.ts';

/** After the log has heard of texts under a key that is not ours, how long it hears nothing more of that, in ms. */
export const unknownKeyIntervalMs = 60_000;

type Level = 'error' | 'warn' | 'debug';

/** Our own failures are told loudly; what a caller did wrong, or cancelled, only to who listens closely. */
function levelOf({ code, details }: ConnectError): Level {
  // Every failure of ours has its reason in its details; without one it is what Connect refuses, such as bytes that are no message.
  if (details.length === 0) return 'debug';
  if (code === Code.Internal) return 'error';
  return code === Code.Unavailable || code === Code.DeadlineExceeded ? 'warn' : 'debug';
}

/** Tells the log why a call failed. */
export function reportFailure(log: Log, rpc: string, error: ConnectError): void {
  const { code, rawMessage, cause } = error;
  const fields = { rpc, code: Code[code], ...(cause === undefined ? {} : { err: cause }) };
  log[levelOf(error)](fields, rawMessage);
}

/** Tells the log, in one line as loud as the worst of them, why messages of a request failed, and how many by which code. */
export function reportOutcomes(log: Log, rpc: string, failures: readonly ConnectError[]): void {
  const levels: readonly Level[] = ['error', 'warn', 'debug'];
  const level = levels.find((each) => failures.some((failure) => levelOf(failure) === each));
  const first = failures.find((failure) => levelOf(failure) === level);
  if (level === undefined || first === undefined) return;
  const counts: Record<string, number> = {};
  for (const { code } of failures) {
    const name = Code[code] ?? String(code);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  const fields = { rpc, counts, ...(first.cause === undefined ? {} : { err: first.cause }) };
  log[level](fields, `${failures.length} messages of a request failed, the worst of them: ${first.rawMessage}`);
}

/**
 * Tells the log that ids or handles come which were sealed under another key, at most once in `unknownKeyIntervalMs`: instances with
 * different keys refuse what the others gave out, and their callers are told no more than of any bad id.
 * @param now a clock in ms that is never set back.
 */
export function unknownKeyReporter(log: Log, now: () => number = () => performance.now()): (keyId: string) => void {
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  return (keyId) => {
    const nowMs = now();
    if (nowMs < quietUntilMs) return;
    quietUntilMs = nowMs + unknownKeyIntervalMs;
    log.warn(
      { keyId },
      'an id or receipt handle came that was sealed under a key which is not among ours: check that all instances have the same ' +
        'PROXY_SEAL_KEY or PROXY_SEAL_KEY_FILE, and that no key was taken out while ids of it are in use',
    );
  };
}
