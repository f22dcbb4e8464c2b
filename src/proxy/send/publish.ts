import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { type Cancellation, ended } from '../../basics/ending.ts';
import { Bell } from '../../client/bell.ts';
import type { RawPublishRequest } from '../../gen/rocketmq/rocketmq_codec.ts';
import type { PublishRequest, PublishResponseSchema } from '../../gen/rocketmq/rocketmq_pb.ts';
import { TextMap } from '../../wire/text-map.ts';
import type { Call } from '../rpc/call.ts';
import { failure, toFailure } from '../rpc/failures.ts';
import { streamEnding } from '../rpc/stream-ending.ts';
import { failedOutcome, outcomesText, successOf } from './outcomes.ts';
import { BatchSender } from './send-batch.ts';
import type { SendOptions, SendParts } from './send-options.ts';
import { SendOrder } from './send-order.ts';

/** Requests of one stream that may be under way: taken, and their answers not yet given away. */
export const publishRequestsMax = 64;
/** While the messages of those have as many bytes, no further request is read. */
export const publishBytesMax = 16_777_216;

/** As it is read by our own HTTP/2 and by Node's. */
type AnyPublishRequest = PublishRequest | RawPublishRequest;
type PublishReply = MessageInitShape<typeof PublishResponseSchema>;

/** The handler of publishing by a stream. */
export interface PublishHandlers {
  publish(requests: AsyncIterable<AnyPublishRequest>, call: Call): AsyncIterable<PublishReply>;
}

export function createPublishHandlers(parts: SendParts, options: SendOptions): PublishHandlers {
  return {
    publish: (requests, call) => new PublishStream(requests, call, { ...parts, options }).answers(),
  };
}

interface PublishParts extends SendParts {
  readonly options: SendOptions;
}

/** One stream: requests are read while there is room, served side by side, and answered as they are done. */
class PublishStream {
  readonly #requests: AsyncIterator<AnyPublishRequest>;
  readonly #call: Call;
  readonly #parts: PublishParts;
  readonly #sender: BatchSender;
  /** Messages of one sharding key stay in order also where they come in several requests. */
  readonly #order = new SendOrder();
  readonly #answers: { readonly reply: PublishReply; readonly bytes: number }[] = [];
  readonly #answered = new Bell();
  readonly #freed = new Bell();
  #requestCount = 0;
  #bytes = 0;
  #producerId = '';
  #isReading = true;
  /** Why no more can be read. */
  #failure: unknown;

  constructor(requests: AsyncIterable<AnyPublishRequest>, call: Call, parts: PublishParts) {
    this.#requests = requests[Symbol.asyncIterator]();
    this.#call = call;
    this.#parts = parts;
    this.#sender = new BatchSender(parts, parts.options, this.#order);
  }

  async *answers(): AsyncGenerator<PublishReply> {
    const { draining } = this.#parts.options;
    const ending = streamEnding([this.#call.end, draining]);
    void this.#read(ending.signal);
    try {
      while (this.#isReading || this.#requestCount > 0) {
        const answer = this.#answers.shift();
        if (answer === undefined) {
          await this.#answered.heard();
          continue;
        }
        yield answer.reply;
        this.#requestCount -= 1;
        this.#bytes -= answer.bytes;
        this.#freed.ring();
      }
    } finally {
      ending.end();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Never fails. */
  async #read(ending: Cancellation): Promise<void> {
    const over = ended(ending);
    try {
      for (;;) {
        while (this.#isFull && !ending.aborted) await Promise.race([this.#freed.heard(), over]);
        const next = ending.aborted ? undefined : await Promise.race([this.#requests.next(), over]);
        if (next === undefined) throw shuttingDown();
        if (next.done === true) break;
        await this.#take(next.value);
      }
    } catch (error) {
      this.#failure = error;
    }
    this.#isReading = false;
    this.#answered.ring();
  }

  get #isFull(): boolean {
    return this.#requestCount >= publishRequestsMax || this.#bytes >= publishBytesMax;
  }

  /** Never fails. Resolves as soon as the request has its place in the order. */
  async #take(request: AnyPublishRequest): Promise<void> {
    if (request.producerId !== '') this.#producerId = request.producerId;
    const bytes = request.messages.reduce((sum, message) => sum + bytesOf(message), 0);
    this.#requestCount += 1;
    this.#bytes += bytes;
    const answer = (reply: PublishReply): void => {
      this.#answers.push({ reply, bytes });
      this.#answered.ring();
    };
    try {
      // What is over the client's limits is held back here, and the requests behind it with it.
      const leave = (await this.#call.limitOne?.()) ?? (() => {});
      void this.#serve(request).finally(leave).then(answer);
    } catch (error) {
      answer(this.#refused(request, error));
    }
  }

  /** Never fails. */
  async #serve(request: AnyPublishRequest): Promise<PublishReply> {
    try {
      const spec = this.#parts.sessions.producer(this.#producerId, this.#call.caller);
      const outcomes = await this.#sender.send('Publish', spec, request.messages, this.#call);
      const outcome = successOf(outcomesText(outcomes));
      return { requestId: request.requestId, outcome, outcomes };
    } catch (error) {
      return this.#refused(request, error);
    }
  }

  #refused({ requestId }: AnyPublishRequest, error: unknown): PublishReply {
    const refusal = toFailure(error);
    this.#parts.options.onFailures('Publish', [refusal]);
    return { requestId, outcome: failedOutcome(refusal), outcomes: [] };
  }
}

/** About: in characters, where there is text. */
function bytesOf({ messageBody, binaryBody, properties }: AnyPublishRequest['messages'][number]): number {
  const bodyBytes = messageBody.length + binaryBody.length;
  const given = properties?.properties ?? {};
  if (given instanceof TextMap) return bodyBytes + given.textBytes;
  return Object.entries(given).reduce((sum, [name, value]) => sum + name.length + value.length, bodyBytes);
}

function shuttingDown() {
  return failure(Code.Unavailable, 'SHUTTING_DOWN', 'the proxy is shutting down: publish to another instance');
}
