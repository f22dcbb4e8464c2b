import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { eachAtOnce } from '../client/each-at-once.ts';
import { ClientError } from '../client/errors.ts';
import { BatchError } from '../client/send/batches.ts';
import type { OutgoingMessage } from '../client/send/outgoing-message.ts';
import type { Producer } from '../client/send/producer.ts';
import type { SendMessagesRequest, SendMessagesResponseSchema } from '../gen/rocketmq/rocketmq_pb.ts';
import type { Deadline } from '../remoting/deadline.ts';
import { ResponseError } from '../remoting/errors.ts';
import { type Call, deadlineOf } from './call.ts';
import type { Engines } from './engines.ts';
import { failure } from './failures.ts';
import { checkCount, countText, failedOutcome, type OutcomeReply, successOf } from './outcomes.ts';
import { toOutgoing } from './outgoing.ts';
import type { Sessions } from './sessions.ts';

/** Most messages of one SendMessages. */
export const batchMessagesMax = 1_000;
/** Messages of one call that are sent one by one, side by side. */
const singlesAtOnce = 64;

/** The handler of sending several messages at once. */
export interface SendBatchHandlers {
  sendMessages(request: SendMessagesRequest, call: Call): Promise<MessageInitShape<typeof SendMessagesResponseSchema>>;
}

export interface SendOptions {
  /** Longest time of one send, in ms. */
  readonly writeTimeoutMs: number;
  /** Called for every message that was stored. */
  readonly onSent: () => void;
}

/** The fields of `SendOutcome`. */
interface SendOutcomeReply {
  readonly outcome: OutcomeReply;
  /** Of a message that was stored. */
  readonly messageId?: string;
}

export function createSendBatchHandlers(engines: Engines, sessions: Sessions, options: SendOptions): SendBatchHandlers {
  return {
    async sendMessages({ producerId, messages }, call) {
      const spec = sessions.producer(producerId, call.caller);
      checkCount('messages', messages.length, batchMessagesMax);
      const batch = new SentBatch(
        engines.get(spec).producer,
        messages.length,
        deadlineOf(call, options.writeTimeoutMs),
      );
      for (const [index, message] of messages.entries()) {
        const { delayTimeLevel: delayLevel } = message;
        batch.add(index, () => toOutgoing(spec.topic, message, { delayLevel }));
      }
      const outcomes = await batch.send();
      for (const { outcome } of outcomes) if (outcome.success) options.onSent();
      const text = countText(
        outcomes.map(({ outcome }) => outcome),
        'stored',
      );
      return { success: true, message: text, outcomes };
    },
  };
}

interface Draft {
  readonly index: number;
  readonly message: OutgoingMessage;
}

/** The messages of one call, and how each of them fares. */
class SentBatch {
  readonly #producer: Producer;
  readonly #deadline: Deadline;
  readonly #outcomes: SendOutcomeReply[];
  /** What one request can store together, by sharding key. */
  readonly #groups = new Map<string | undefined, Draft[]>();
  /** What goes alone: brokers ignore the delay of a message in a batch, and a batch has no empty bodies. */
  readonly #singles: Draft[] = [];

  constructor(producer: Producer, count: number, deadline: Deadline) {
    this.#producer = producer;
    this.#deadline = deadline;
    const never = failure(Code.Internal, 'INTERNAL', 'the message was not looked at');
    this.#outcomes = new Array<SendOutcomeReply>(count).fill({ outcome: failedOutcome(never) });
  }

  add(index: number, read: () => OutgoingMessage): void {
    try {
      const message = read();
      const { delivery, body, shardingKey } = message;
      if (delivery.kind !== 'now' || body.length === 0) this.#singles.push({ index, message });
      else this.#group(shardingKey).push({ index, message });
    } catch (error) {
      this.#failed(index, error);
    }
  }

  #group(shardingKey: string | undefined): Draft[] {
    const known = this.#groups.get(shardingKey);
    if (known !== undefined) return known;
    const drafts: Draft[] = [];
    this.#groups.set(shardingKey, drafts);
    return drafts;
  }

  /** Never fails: each message has an outcome. */
  async send(): Promise<SendOutcomeReply[]> {
    await Promise.all([
      eachAtOnce(this.#singles, singlesAtOnce, (draft) => this.#sendOne(draft)),
      eachAtOnce([...this.#groups.values()], singlesAtOnce, (drafts) => this.#sendGroup(drafts)),
    ]);
    return this.#outcomes;
  }

  async #sendOne({ index, message }: Draft): Promise<void> {
    try {
      this.#stored(index, (await this.#producer.send(message, this.#deadline)).messageId);
    } catch (error) {
      this.#failed(index, error);
    }
  }

  async #sendGroup(drafts: readonly Draft[]): Promise<void> {
    try {
      const messages = drafts.map(({ message }) => message);
      const results = await this.#producer.sendBatch(messages, this.#deadline);
      for (const [at, { index }] of drafts.entries()) this.#stored(index, results[at]?.messageId ?? '');
    } catch (error) {
      await this.#sendRest(drafts, error);
    }
  }

  async #sendRest(drafts: readonly Draft[], error: unknown): Promise<void> {
    const { outcomes, cause } = error instanceof BatchError ? error : { outcomes: [], cause: error };
    for (const [at, draft] of drafts.entries()) {
      const outcome = outcomes[at];
      if (outcome?.state === 'stored') this.#stored(draft.index, outcome.messageId);
      // A broker that refuses a batch for good does not say for which of its messages.
      else if (outcome?.state === 'notStored' && cause instanceof ResponseError) await this.#sendOne(draft);
      else if (outcome?.state === 'notStored' && isOutcomeUnknown(cause)) this.#failed(draft.index, notSent(cause));
      else this.#failed(draft.index, cause);
    }
  }

  #stored(index: number, messageId: string): void {
    this.#outcomes[index] = { outcome: successOf('the message was stored'), messageId };
  }

  #failed(index: number, error: unknown): void {
    this.#outcomes[index] = { outcome: failedOutcome(error) };
  }
}

function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof ClientError && error.kind === 'outcomeUnknown';
}

function notSent(cause: unknown): Error {
  return new ClientError(
    'notStored',
    'the message was not sent: whether those before it are stored is not known',
    cause,
  );
}
