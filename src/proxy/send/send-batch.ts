import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { eachAtOnce } from '../../client/each-at-once.ts';
import { ClientError } from '../../client/errors.ts';
import { BatchError } from '../../client/send/batches.ts';
import type { OutgoingMessage } from '../../client/send/outgoing-message.ts';
import type { Producer } from '../../client/send/producer.ts';
import type { RawOutgoingMessage, RawSendMessagesRequest } from '../../gen/rocketmq/rocketmq_codec.ts';
import type {
  OutgoingMessage as RequestedMessage,
  SendMessagesRequest,
  SendMessagesResponseSchema,
} from '../../gen/rocketmq/rocketmq_pb.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { ResponseError } from '../../remoting/errors.ts';
import { type Call, deadlineOf } from '../rpc/call.ts';
import { failure } from '../rpc/failures.ts';
import type { ProducerSpec } from '../session/session-specs.ts';
import { checkCount, Failures, failedOutcome, outcomesText, type SendOutcomeReply, successOf } from './outcomes.ts';
import { toOutgoing } from './outgoing.ts';
import { sealRecall } from './recall.ts';
import type { SendOptions, SendParts } from './send-options.ts';
import type { SendOrder, Turn } from './send-order.ts';

/** Most messages of one request. */
export const batchMessagesMax = 1_000;
/** Messages of one request that are sent one by one, side by side. */
const singlesAtOnce = 64;

/** The handler of sending several messages at once. */
export interface SendBatchHandlers {
  sendMessages(
    request: SendMessagesRequest | RawSendMessagesRequest,
    call: Call,
  ): Promise<MessageInitShape<typeof SendMessagesResponseSchema>>;
}

export function createSendBatchHandlers(parts: SendParts, options: SendOptions): SendBatchHandlers {
  const sender = new BatchSender(parts, options);
  return {
    async sendMessages({ producerId, messages }, call) {
      const spec = parts.sessions.producer(producerId, call.caller);
      const outcomes = await sender.send('SendMessages', spec, messages, call);
      return { success: true, message: outcomesText(outcomes), outcomes };
    },
  };
}

/** Sends the messages of requests that have several. */
export class BatchSender {
  readonly #parts: SendParts;
  readonly #options: SendOptions;
  readonly #order: SendOrder | undefined;

  /** @param order of messages with one sharding key in several requests. Default: only those of one request have an order. */
  constructor(parts: SendParts, options: SendOptions, order?: SendOrder) {
    this.#parts = parts;
    this.#options = options;
    this.#order = order;
  }

  /**
   * Has taken its places in the order when it returns its promise.
   * @returns an outcome for each message, in order.
   * @throws ConnectError INVALID_ARGUMENT for no messages, or too many.
   */
  async send(
    rpc: string,
    spec: ProducerSpec,
    messages: readonly (RequestedMessage | RawOutgoingMessage)[],
    call: Call,
  ): Promise<SendOutcomeReply[]> {
    checkCount('messages', messages.length, batchMessagesMax);
    const { engines, handles } = this.#parts;
    const { writeTimeoutMs, onSent, onFailures } = this.#options;
    const batch = new SentBatch({
      producer: engines.get(spec).producer,
      deadline: deadlineOf(call, writeTimeoutMs),
      order: this.#order,
      sealRecall: (handle) => sealRecall(handles, spec, handle),
    });
    for (const message of messages) {
      batch.add(() => toOutgoing(spec.topic, message, { delayLevel: message.delayTimeLevel }));
    }
    const outcomes = await batch.send();
    const failures = batch.failures.all;
    if (failures.length > 0) onFailures(rpc, failures);
    if (outcomes.length > failures.length) onSent(outcomes.length - failures.length);
    return outcomes;
  }
}

interface Draft {
  readonly index: number;
  readonly message: OutgoingMessage;
}

/** What one request can store together. */
interface DraftGroup {
  readonly drafts: Draft[];
  readonly turn: Turn | undefined;
}

interface BatchParts {
  readonly producer: Producer;
  readonly deadline: Deadline;
  readonly order: SendOrder | undefined;
  readonly sealRecall: (recallHandle: string | undefined) => string;
}

/** The messages of one request, and how each of them fares. */
class SentBatch {
  readonly failures = new Failures();
  readonly #parts: BatchParts;
  readonly #outcomes: SendOutcomeReply[] = [];
  /** By sharding key. */
  readonly #groups = new Map<string | undefined, DraftGroup>();
  /** What goes alone: brokers ignore the delay of a message in a batch, and a batch has no empty bodies. */
  readonly #singles: Draft[] = [];

  constructor(parts: BatchParts) {
    this.#parts = parts;
  }

  /** One more message, which has an outcome already where it cannot be read. */
  add(read: () => OutgoingMessage): void {
    const index = this.#outcomes.length;
    this.#outcomes.push(notLookedAt);
    try {
      const message = read();
      const { delivery, body } = message;
      if (delivery.kind !== 'now' || body.length === 0) this.#singles.push({ index, message });
      else this.#groupOf(message).drafts.push({ index, message });
    } catch (error) {
      this.#failed(index, error);
    }
  }

  #groupOf({ topic, shardingKey }: OutgoingMessage): DraftGroup {
    const known = this.#groups.get(shardingKey);
    if (known !== undefined) return known;
    const { order } = this.#parts;
    const turn = shardingKey === undefined ? undefined : order?.claim(JSON.stringify([topic, shardingKey]));
    const group = { drafts: [], turn };
    this.#groups.set(shardingKey, group);
    return group;
  }

  /** Never fails: each message has an outcome. */
  async send(): Promise<SendOutcomeReply[]> {
    await Promise.all([
      eachAtOnce(this.#singles, singlesAtOnce, (draft) => this.#sendOne(draft)),
      eachAtOnce([...this.#groups.values()], singlesAtOnce, (group) => this.#sendGroup(group)),
    ]);
    return this.#outcomes;
  }

  async #sendOne({ index, message }: Draft): Promise<void> {
    try {
      const { producer, deadline, sealRecall: seal } = this.#parts;
      const { messageId, recallHandle } = await producer.send(message, deadline);
      this.#stored(index, messageId, seal(recallHandle));
    } catch (error) {
      this.#failed(index, error);
    }
  }

  async #sendGroup({ drafts, turn }: DraftGroup): Promise<void> {
    const { producer, deadline } = this.#parts;
    try {
      await turn?.before;
      const messages = drafts.map(({ message }) => message);
      const results = await producer.sendBatch(messages, deadline);
      for (const [at, { index }] of drafts.entries()) this.#stored(index, results[at]?.messageId ?? '');
    } catch (error) {
      await this.#sendRest(drafts, error);
    } finally {
      turn?.end();
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

  #stored(index: number, messageId: string, recallHandle = ''): void {
    this.#outcomes[index] = { outcome: successOf('the message was stored'), messageId, recallHandle };
  }

  #failed(index: number, error: unknown): void {
    this.#outcomes[index] = { outcome: this.failures.outcomeOf(error) };
  }
}

const notLookedAt: SendOutcomeReply = {
  outcome: failedOutcome(failure(Code.Internal, 'INTERNAL', 'the message was not looked at')),
};

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
