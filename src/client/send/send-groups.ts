import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import type { TurnEnd } from '../../remoting/turn-end.ts';
import { ClientError } from '../errors.ts';
import type { OutgoingMessage, SendResult } from './outgoing-message.ts';

/** Longest body that is grouped, in bytes: what is longer costs so much by itself that a request of its own is no matter. */
export const groupedBodyBytesMax = 32_768;
/** Deadlines that are no further apart are one, in ms: that of a group is its first message's. */
const sameDeadlineMs = 10;

export interface SendGroupsOptions {
  /** Most messages of one group. */
  readonly countMax: number;
  /** Most bytes of the bodies of one group. */
  readonly bytesMax: number;
  /** Most messages that may wait for their answers at once; one more is refused. */
  readonly waitingMax: number;
  /** At whose end groups leave. */
  readonly turn: TurnEnd;
  /** Sends one message. */
  readonly sendOne: (message: OutgoingMessage, deadline: Deadline) => Promise<SendResult>;
  /** Stores messages of one topic, all of them or none. */
  readonly sendAll: (messages: readonly OutgoingMessage[], deadline: Deadline) => Promise<readonly SendResult[]>;
}

/** Whether others may be stored together with it: brokers ignore the delay of a message in a batch, and take no empty body there. */
export function isGroupable({ shardingKey, delivery, body }: OutgoingMessage): boolean {
  return shardingKey === undefined && delivery.kind === 'now' && body.length > 0 && body.length <= groupedBodyBytesMax;
}

/**
 * Has messages that are sent in one turn of the event loop stored by one request for each topic: nobody waits for others. A group is
 * stored as a whole or not at all; one that a broker refuses for good is sent again one by one, since it does not say which it means.
 */
export class SendGroups {
  readonly #options: SendGroupsOptions;
  /** By topic: those to which more may come in this turn. Each turn has its own: a table that is used for long keeps what was in it from being collected. */
  #open = new Map<string, SendGroup>();
  #waitingCount = 0;

  constructor(options: SendGroupsOptions) {
    this.#options = options;
  }

  /** @throws what `sendOne` throws; RemotingError `overloaded` when too many wait; ClientError `outcomeUnknown` when the caller gave up. */
  send(message: OutgoingMessage, deadline: Deadline): Promise<SendResult> {
    const { waitingMax, sendOne } = this.#options;
    // It fails as every such send does.
    if (deadline.signal?.aborted === true) return sendOne(message, deadline);
    if (this.#waitingCount >= waitingMax) {
      return Promise.reject(new RemotingError('overloaded', `${waitingMax} messages wait for their answers already`));
    }
    return new Promise((resolve, reject) => {
      const ended = (): void => {
        this.#waitingCount -= 1;
      };
      this.#waitingCount += 1;
      this.#add(new GroupedSend({ message, deadline, resolve, reject, ended }));
    });
  }

  #add(send: GroupedSend): void {
    const { topic, body } = send.message;
    let group = this.#open.get(topic);
    if (group !== undefined && !this.#fits(group, send)) {
      this.#open.delete(topic);
      void this.#send(group);
      group = undefined;
    }
    if (group === undefined) {
      group = { deadline: send.deadline, sends: [], bytes: 0 };
      if (this.#open.size === 0) this.#options.turn.gather(() => this.#sendOpen());
      this.#open.set(topic, group);
    }
    group.sends.push(send);
    group.bytes += body.length;
  }

  #fits({ deadline, sends, bytes }: SendGroup, send: GroupedSend): boolean {
    const { countMax, bytesMax } = this.#options;
    return (
      sends.length < countMax &&
      bytes + send.message.body.length <= bytesMax &&
      Math.abs(deadline.endsAtMs - send.deadline.endsAtMs) <= sameDeadlineMs
    );
  }

  #sendOpen(): void {
    const open = this.#open;
    this.#open = new Map();
    for (const group of open.values()) void this.#send(group);
  }

  /** Never fails. */
  async #send({ deadline, sends }: SendGroup): Promise<void> {
    if (sends.length === 1) return this.#sendEach(sends);
    try {
      const messages = sends.map(({ message }) => message);
      const results = await this.#options.sendAll(messages, deadline.withoutSignal());
      for (const [index, send] of sends.entries()) send.stored(results[index]);
    } catch (error) {
      if (error instanceof ResponseError) return this.#sendEach(sends);
      for (const send of sends) send.failed(error);
    }
  }

  /** Never fails. */
  #sendEach(sends: readonly GroupedSend[]): void {
    for (const send of sends) {
      this.#options.sendOne(send.message, send.deadline).then(
        (result) => send.stored(result),
        (error: unknown) => send.failed(error),
      );
    }
  }
}

interface SendGroup {
  readonly deadline: Deadline;
  readonly sends: GroupedSend[];
  bytes: number;
}

interface GroupedSendParts {
  readonly message: OutgoingMessage;
  readonly deadline: Deadline;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: unknown) => void;
  readonly ended: () => void;
}

/** One message, and who waits for it. */
class GroupedSend {
  readonly message: OutgoingMessage;
  readonly deadline: Deadline;
  readonly #parts: GroupedSendParts;
  #hasEnded = false;

  constructor(parts: GroupedSendParts) {
    this.message = parts.message;
    this.deadline = parts.deadline;
    this.#parts = parts;
    this.deadline.signal?.addEventListener('abort', this.#givenUp);
  }

  stored(result: SendResult | undefined): void {
    if (result === undefined) this.failed(new Error('a message of a group has no result'));
    else if (this.#end()) this.#parts.resolve(result);
  }

  failed(error: unknown): void {
    if (this.#end()) this.#parts.reject(error);
  }

  readonly #givenUp = (): void => {
    this.failed(
      new ClientError(
        'outcomeUnknown',
        'the caller gave up: the message goes with others, and may or may not be stored',
      ),
    );
  };

  /** @returns whether it is the first end. */
  #end(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    this.deadline.signal?.removeEventListener('abort', this.#givenUp);
    this.#parts.ended();
    return true;
  }
}
