import type { Json } from '../../remoting/json.ts';
import type { GroupQueue } from '../consumer-offsets.ts';
import type { Lease } from './pop-queue.ts';
import type { Runs } from './runs.ts';

type LeaseContent = Pick<Lease, 'popTimeMs' | 'visibleAtMs' | 'reconsumeTimes' | 'runs'>;

/**
 * A change of what is popped, as the log of state has it. `leased`: these messages are invisible until then; what was popped of them before
 * is over. `ended`: these are done with. `clear`: nothing of the queue is in flight.
 */
export type PopChange =
  | {
      readonly kind: 'leased';
      readonly queue: GroupQueue;
      readonly lease: LeaseContent;
      /** Of the POP that it was, empty for one that was not ordered; undefined where it was none. */
      readonly attemptId: string | undefined;
    }
  | { readonly kind: 'ended'; readonly queue: GroupQueue; readonly runs: Runs }
  | { readonly kind: 'clear'; readonly queue: GroupQueue };

export function leasedChange({ group, topic, queueId }: GroupQueue, lease: LeaseContent, attemptId?: string): Json {
  const { popTimeMs, visibleAtMs, reconsumeTimes, runs } = lease;
  const change = ['leased', group, topic, queueId, popTimeMs, visibleAtMs, reconsumeTimes, runs];
  return attemptId === undefined ? change : [...change, attemptId];
}

export function endedChange({ group, topic, queueId }: GroupQueue, runs: Runs): Json {
  return ['ended', group, topic, queueId, runs];
}

/** @throws Error on a change that makes no sense. */
export function readPopChange(change: Json): PopChange {
  if (!Array.isArray(change)) throw senseless();
  const [kind, group, topic, queueId, ...rest] = change as readonly Json[];
  if (typeof group !== 'string' || typeof topic !== 'string' || !isCount(queueId)) throw senseless();
  const queue = { group, topic, queueId };
  switch (kind) {
    case 'leased':
      return readLeased(queue, rest);
    case 'ended':
      return { kind, queue, runs: readRuns(rest[0]) };
    case 'clear':
      return { kind, queue };
    default:
      throw senseless();
  }
}

function readLeased(queue: GroupQueue, rest: readonly Json[]): PopChange {
  const [popTimeMs, visibleAtMs, reconsumeTimes, runs, attemptId] = rest;
  if (!isCount(popTimeMs) || !isCount(visibleAtMs) || !isCount(reconsumeTimes)) throw senseless();
  if (attemptId !== undefined && typeof attemptId !== 'string') throw senseless();
  return {
    kind: 'leased',
    queue,
    lease: { popTimeMs, visibleAtMs, reconsumeTimes, runs: readRuns(runs) },
    attemptId,
  };
}

function readRuns(runs: Json | undefined): Runs {
  if (!Array.isArray(runs) || runs.length % 2 !== 0 || !runs.every(isCount)) throw senseless();
  return runs;
}

function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function senseless(): Error {
  return new Error('a change of what is popped makes no sense');
}
