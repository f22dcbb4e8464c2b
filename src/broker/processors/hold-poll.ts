import type { Answer } from '../../remoting/command.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine } from '../engine.ts';
import type { PopPlace } from '../pop/take-messages.ts';

/**
 * Longest that a poll is held, in ms; one that wants longer is told that there is nothing, and asks again. Far above what clients ask for
 * (Java: 20 s), and far below where timers would run at once.
 */
export const pollDurationMsMax = 600_000;

/** A request that waits for messages. */
export interface Poll {
  readonly place: PopPlace;
  readonly durationMs: number;
  /** Undefined while there is nothing. Whatever it takes is answered. */
  look(): Answer | Promise<Answer> | undefined;
  /** What it is answered with where nothing came in time. */
  nothing(): Answer;
  /** What it is answered with where too many requests wait already. */
  full(): Answer;
}

type Connection = Pick<ServerConnection, 'isOpen' | 'isBackedUp' | 'closed'>;

/** Waits until there is something, at most `durationMs`. A client that is gone, or does not take what it was sent, gets nothing. */
export function holdPoll(poll: Poll, connection: Connection, { held }: Pick<Engine, 'held'>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const tryAgain = (): boolean => {
      if (connection.isOpen && connection.isBackedUp) return false;
      try {
        const answer = connection.isOpen ? poll.look() : poll.nothing();
        if (answer === undefined) return false;
        resolve(answer);
      } catch (error) {
        reject(error);
      }
      return true;
    };
    const giveUp = (): void => resolve(poll.nothing());
    const durationMs = Math.min(poll.durationMs, pollDurationMsMax);
    if (!held.hold({ client: connection, tryAgain, giveUp }, [poll.place.topic], durationMs)) resolve(poll.full());
  });
}

/** True where another poll of the group just found nothing in any queue. What an ordered one may take depends on more than that. */
export function isQuiet(place: PopPlace, { pops, held }: Engine): boolean {
  return !place.order && pops.quiet.has(held.wakeCount, place);
}

/** This poll found nothing. */
export function noteQuiet(place: PopPlace, { pops, held }: Engine): void {
  if (!place.order && place.queueId < 0) pops.quiet.add(held.wakeCount, place);
}
