import { Deadline } from '../../remoting/deadline.ts';
import { invalidArgument, toRocketMQError } from './rocketmq-error.ts';

/** What every call takes that waits for something. */
export interface CallOptions {
  /** Longest time for the whole call, tries and all, in ms: 1 to 2,147,483,647. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the call with `CANCELLED`. What a broker does already is not taken back by it. */
  readonly signal?: AbortSignal;
}

/** Longest time that a timer can wait, in ms. */
export const timeoutMsMax = 2 ** 31 - 1;

/**
 * Does `work` under the deadline of the call.
 * @throws RocketMQError whatever the work throws.
 */
export async function runCall<T>(
  { timeoutMs, signal }: CallOptions,
  timeoutMsDefault: number,
  work: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  const durationMs = timeoutMs ?? timeoutMsDefault;
  checkNumber('timeoutMs', durationMs, { min: 1, max: timeoutMsMax });
  try {
    const deadline = Deadline.after(durationMs, signal);
    deadline.check('the call');
    return await work(deadline);
  } catch (error) {
    throw toRocketMQError(error, signal);
  }
}

export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** @throws RocketMQError `INVALID_ARGUMENT` unless it is a whole number within the bounds. */
export function checkNumber(name: string, value: number, { min, max }: Bounds): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw invalidArgument(`${name} is ${value}; it must be a whole number from ${min} to ${max}`);
}
