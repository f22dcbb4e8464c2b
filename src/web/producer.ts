import type { PublishOptions, PublishResult, WebProducer } from './api.ts';
import { MQError, outcomeError, type PublishOutcome } from './errors.ts';
import { LastingId } from './lasting-id.ts';
import { type OutgoingFields, type OutgoingMessage, splitMessages, toFields } from './outgoing-message.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import type { CallOptions, Scope } from './scope.ts';
import { Sends } from './sends.ts';

/** Where messages go. */
export interface Destination {
  readonly topic: string;
  readonly endpoint: string;
  readonly instanceId: string;
}

/** Sends to one topic. */
export class TopicProducer implements WebProducer {
  readonly #calls: ProxyCalls;
  readonly #id: LastingId;
  readonly #sends = new Sends((messages, scope) => {
    const [message, ...more] = messages;
    return message !== undefined && more.length === 0 ? this.#sendOne(message, scope) : this.#sendPart(messages, scope);
  });

  constructor(calls: ProxyCalls, destination: Destination) {
    this.#calls = calls;
    this.#id = new LastingId(calls, async (scope) => {
      const { producerId } = await calls.unary(scope, (client, options) => client.createProducer(destination, options));
      return producerId;
    });
  }

  async publish(body: string | Uint8Array, options: PublishOptions = {}): Promise<PublishResult> {
    const message = toFields({ ...options, body });
    return this.#calls.inTime(options, (scope) => this.#sends.add(message, scope));
  }

  async publishAll(messages: Iterable<OutgoingMessage>, call: CallOptions = {}): Promise<PublishResult[]> {
    const all = [...messages].map(toFields);
    const outcomes: PublishOutcome[] = [];
    const failure = await this.#calls
      .inTime(call, async (scope) => {
        for (const part of splitMessages(all)) outcomes.push(...(await this.#sendPart(part, scope)));
      })
      .catch(asMQError);
    const found = failure ?? outcomes.find(({ error }) => error !== undefined)?.error;
    if (found === undefined) return outcomes.map(({ messageId }) => ({ messageId }));
    // What was under way when a call failed may be stored; the rest was not sent. Neither is known to be stored.
    while (outcomes.length < all.length) outcomes.push({ messageId: '', error: found });
    const { code, reason, cause, message } = found;
    const storedCount = outcomes.filter(({ error }) => error === undefined).length;
    const text = `${storedCount} of ${all.length} messages are known to be stored: ${message}`;
    throw new MQError(code, reason, text, { cause: cause ?? found, outcomes });
  }

  #sendOne(message: OutgoingFields, scope: Scope): Promise<PublishOutcome[]> {
    return this.#id.use(async (producerId) => {
      const sending = this.#calls.unary(scope, (client, call) => client.sendMessage({ ...message, producerId }, call));
      const { messageId } = await sending.catch(mayBeStored);
      return [{ messageId, error: undefined }];
    });
  }

  #sendPart(messages: OutgoingFields[], scope: Scope): Promise<PublishOutcome[]> {
    return this.#id.use(async (producerId) => {
      const sending = this.#calls.unary(scope, (client, call) => client.sendMessages({ producerId, messages }, call));
      const { outcomes } = await sending.catch(mayBeStored);
      return messages.map((_, index) => {
        const { outcome, messageId = '' } = outcomes[index] ?? {};
        return { messageId, error: outcome === undefined ? noOutcome() : outcomeError(outcome) };
      });
    });
  }
}

function asMQError(error: unknown): MQError {
  if (error instanceof MQError) return error;
  throw error;
}

/** No answer to a send does not say that nothing was stored. */
function mayBeStored(error: unknown): never {
  if (!(error instanceof MQError) || error.reason !== 'NO_ANSWER') throw error;
  throw new MQError(error.code, 'OUTCOME_UNKNOWN', `the message may be stored, or not: ${error.message}`, {
    cause: error.cause,
  });
}

function noOutcome(): MQError {
  return new MQError('INTERNAL', 'INTERNAL', 'the proxy did not say how this message fared');
}
