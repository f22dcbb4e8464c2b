import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Metadata } from '@grpc/grpc-js';
import { type PublishRequestSchema, type PublishResponse, RocketMQProxy } from '../../gen/rocketmq/rocketmq_pb.ts';
import { MQError } from '../mq-error.ts';
import type { DuplexStream, ProxyChannel } from './proxy-channel.ts';

/** How long a stream stays open that has no requests, in ms. */
export const idleMsMax = 10_000;
/** After so long another stream is opened, in ms: it asks for the token again, and goes by a connection that is not about to end. */
export const ageMsMax = 60_000;

/** What one request of a stream says. */
export type PublishFields = Pick<MessageInitShape<typeof PublishRequestSchema>, 'producerId' | 'messages'>;

interface Asked {
  readonly resolve: (reply: PublishResponse) => void;
  readonly reject: (error: MQError) => void;
  readonly late: NodeJS.Timeout;
}

/** One Publish stream: several requests may be under way, and each is answered for itself. It ends by itself when it is idle. */
export class PublishStream {
  readonly #stream: DuplexStream<typeof PublishRequestSchema>;
  readonly #openedAtMs = performance.now();
  /** By request id. */
  readonly #asked = new Map<bigint, Asked>();
  #requestId = 0n;
  #isOver = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(channel: ProxyChannel, metadata: Metadata) {
    this.#stream = channel.duplexStream(RocketMQProxy.method.publish, metadata, {
      onReply: (reply) => this.#take(reply.requestId)?.resolve(reply),
      onEnd: (error) => this.#ended(error),
    });
  }

  /** Whether another request should go by it. */
  get isOpen(): boolean {
    return !this.#isOver && performance.now() - this.#openedAtMs < ageMsMax;
  }

  /**
   * Sends a request; only while it is open.
   * @throws MQError `OUTCOME_UNKNOWN` where no answer came; what the proxy ended the stream with, where it has not looked at the request.
   */
  send(request: PublishFields, endsAtMs: number): Promise<PublishResponse> {
    clearTimeout(this.#idle);
    this.#requestId += 1n;
    const requestId = this.#requestId;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.#take(requestId)?.reject(lateError()), Math.max(0, endsAtMs - Date.now()));
      this.#asked.set(requestId, { resolve, reject, late });
      this.#stream.write({ ...request, requestId });
    });
  }

  /** Takes no more requests; those that it has are still answered. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#idle);
    this.#stream.end();
  }

  /** Undefined for one that is no longer waited for. */
  #take(requestId: bigint): Asked | undefined {
    const asked = this.#asked.get(requestId);
    if (asked === undefined) return undefined;
    clearTimeout(asked.late);
    this.#asked.delete(requestId);
    if (this.#asked.size === 0 && !this.#isOver) this.#idle = setTimeout(() => this.end(), idleMsMax).unref();
    return asked;
  }

  #ended(error: MQError | undefined): void {
    this.#isOver = true;
    clearTimeout(this.#idle);
    const failure = error === undefined || isReset(error) ? endedError(error) : error;
    for (const requestId of this.#asked.keys()) this.#take(requestId)?.reject(failure);
  }
}

/** A reset says nothing of requests: of a call for one message it comes before anything is done, of a stream at any time. */
function isReset({ code, reason }: MQError): boolean {
  return reason === code && (code === 'CANCELLED' || code === 'RESOURCE_EXHAUSTED');
}

function lateError(): MQError {
  return new MQError(
    'DEADLINE_EXCEEDED',
    'OUTCOME_UNKNOWN',
    'the proxy did not answer in time: the message may be stored',
  );
}

function endedError(cause: MQError | undefined): MQError {
  return new MQError('UNAVAILABLE', 'OUTCOME_UNKNOWN', 'the proxy ended the stream: the message may be stored', cause);
}
