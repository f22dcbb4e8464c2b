import type { Consumer } from '../../client/consumer.ts';
import type { Claim } from '../../client/receipt.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { Caller } from '../access/caller.ts';
import type { Sealer } from '../session/seal.ts';
import type { Sessions } from '../session/sessions.ts';
import { failedThere, openQuestion, type PeerOutcome, type Settlement, sealAnswer } from './peer-messages.ts';

/**
 * Answers other processes, which ask us to settle what we handed out: a text as `sealQuestion` makes it by one as `sealAnswer` makes it.
 * @throws SealError for what nobody with our key has asked; Error for what is no question.
 */
export type PeerAnswers = (text: string) => Promise<string>;

/** @param timeoutMsMax longest time of one answer. */
export function createPeerAnswers(sealer: Sealer, sessions: Sessions, timeoutMsMax: number): PeerAnswers {
  return async (text) => {
    const { nonce, callerName, consumerId, timeoutMs, settlements } = openQuestion(sealer, text);
    const deadline = Deadline.after(Math.min(timeoutMsMax, timeoutMs));
    // What the caller may do was checked where it called.
    const caller = new Caller(callerName, undefined);
    const outcomes = settlements.map(async (settlement): Promise<PeerOutcome> => {
      try {
        return { receipt: await settle(sessions.consumer(consumerId, caller).consumer, settlement, deadline) };
      } catch (error) {
        return failedThere(error);
      }
    });
    return sealAnswer(sealer, nonce, await Promise.all(outcomes));
  };
}

/**
 * Settles a message with what this process knows.
 * @returns the receipt to go on with, of a change only.
 * @throws as `Consumer.ack`.
 */
export async function settle(
  consumer: Consumer,
  { kind, receipt, durationMs }: Settlement,
  deadline: Deadline,
): Promise<Claim | undefined> {
  switch (kind) {
    case 'ack':
      await consumer.ack(receipt, deadline);
      return undefined;
    case 'nack':
      await consumer.nack(receipt, durationMs, deadline);
      return undefined;
    case 'change':
      return consumer.changeInvisibleDuration(receipt, durationMs, deadline);
  }
}
