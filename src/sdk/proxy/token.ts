import { cancelledError, MQError } from '../mq-error.ts';

/** A bearer token, or who gives it; asked for each call, so that it may change. */
export type Token = string | (() => string | Promise<string>);

/** How long a token is waited for. */
export interface TokenWait {
  /** Ms since 1970. */
  readonly endsAtMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The token, for which whoever gives it has the time of the call.
 * @throws MQError `TOKEN_REFUSED` when the function fails, `DEADLINE` when it takes too long, `CANCELLED`.
 */
export async function tokenOf(token: Token, wait: TokenWait): Promise<string> {
  if (typeof token === 'string') return token;
  try {
    return await inTime(token(), wait);
  } catch (error) {
    if (error instanceof MQError) throw error;
    // The function may have one a little later: streams ask it again.
    throw new MQError('UNAVAILABLE', 'TOKEN_REFUSED', 'the token could not be had from the function given', error);
  }
}

function inTime(given: string | Promise<string>, { endsAtMs, signal }: TokenWait): Promise<string> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      settle();
    };
    const abort = (): void => end(() => reject(cancelledError(signal)));
    const timer = setTimeout(() => end(() => reject(tooLate())), Math.max(0, endsAtMs - Date.now()));
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    Promise.resolve(given).then(
      (token) => end(() => resolve(token)),
      (error: unknown) => end(() => reject(error)),
    );
  });
}

function tooLate(): MQError {
  const text =
    'the function given for the token did not give it within the time of the call (timeoutMs): nothing was sent';
  return new MQError('DEADLINE_EXCEEDED', 'DEADLINE', text);
}
