import type { CreateConsumerRequest } from '../gen/rocketmq/rocketmq_pb.ts';
import { Acks } from './acks.ts';
import type { WebConsumer } from './api.ts';
import { closedError, MQError, outcomeError } from './errors.ts';
import { LastingId } from './lasting-id.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import { WebMessage } from './received-message.ts';
import { Resumption } from './resume.ts';
import { type CallOptions, onAbort, type Scope, sleep } from './scope.ts';

/** What a consumer asks for: the fields of `CreateConsumerRequest`, without access keys. */
export type Subscription = Pick<
  CreateConsumerRequest,
  | 'endpoint'
  | 'instanceId'
  | 'topic'
  | 'groupId'
  | 'tagExpression'
  | 'sqlExpression'
  | 'consumeFrom'
  | 'consumeTimestamp'
  | 'ordered'
  | 'invisibleDurationMs'
>;

/** How a consumer receives. */
export interface Receiving {
  /** Most messages of one stream that may be delivered and not yet acknowledged. */
  readonly messagesMax: number;
  /** Called each time that a stream has ended and is opened again, with why and in how many ms. */
  readonly onResume: ((error: MQError, delayMs: number) => void) | undefined;
  /** Called when it is closed. */
  readonly onClosed: (consumer: TopicConsumer) => void;
}

/** Receives one topic as a member of a group. */
export class TopicConsumer implements WebConsumer {
  readonly #calls: ProxyCalls;
  readonly #receiving: Receiving;
  readonly #id: LastingId;
  readonly #acks: Acks;
  /** Aborted when it hands out no more messages. */
  readonly #ending = new AbortController();
  #closed: Promise<void> | undefined;

  constructor(calls: ProxyCalls, subscription: Subscription, receiving: Receiving) {
    this.#calls = calls;
    this.#receiving = receiving;
    this.#id = new LastingId(calls, async (scope) => {
      const { consumerId } = await calls.unary(scope, (client, call) => client.createConsumer(subscription, call));
      return consumerId;
    });
    this.#acks = new Acks((receiptHandles) => calls.inTime({}, (scope) => this.#ackAll(receiptHandles, scope)));
  }

  [Symbol.asyncIterator](): AsyncGenerator<WebMessage, void, undefined> {
    return this.messages();
  }

  async *messages({ signal }: Pick<CallOptions, 'signal'> = {}): AsyncGenerator<WebMessage, void, undefined> {
    const stopping = new AbortController();
    const stop = (): void => stopping.abort();
    const unlink = [this.#ending.signal, ...(signal === undefined ? [] : [signal])].map((one) => onAbort(one, stop));
    const resumption = new Resumption(this.#calls.tokenCanChange);
    try {
      if (this.#closed !== undefined) throw closedError('the consumer');
      if (stopping.signal.aborted) return;
      await this.#untilStopped(stopping.signal, this.#id.get());
      while (true) {
        resumption.opening(performance.now());
        const error = yield* this.#stream(stopping.signal, resumption);
        if (error === undefined || stopping.signal.aborted) return;
        await this.#rest(error, resumption, stopping.signal);
      }
    } finally {
      for (const off of unlink) off();
      stop();
    }
  }

  ack(message: WebMessage, call: CallOptions = {}): Promise<void> {
    const { receiptHandle } = message;
    const isBounded = call.signal !== undefined || call.timeoutMs !== undefined;
    if (isBounded) return this.#inTime(call, () => this.#acks.add(receiptHandle));
    // The call that it leaves with has a time of its own.
    return this.#closed === undefined ? this.#acks.add(receiptHandle) : Promise.reject(closedError('the consumer'));
  }

  nack(message: WebMessage, delayMs = 0, call: CallOptions = {}): Promise<void> {
    const { receiptHandle } = message;
    return this.#inTime(call, async (scope) => {
      await this.#id.use((consumerId) =>
        this.#calls.unary(scope, (client, options) =>
          client.nackMessage({ consumerId, receiptHandle, delayMs }, options),
        ),
      );
    });
  }

  changeInvisibleDuration(message: WebMessage, durationMs: number, call: CallOptions = {}): Promise<void> {
    const { receiptHandle } = message;
    return this.#inTime(call, async (scope) => {
      const request = { receiptHandle, invisibleDurationMs: durationMs };
      const changed = await this.#id.use((consumerId) =>
        this.#calls.unary(scope, (client, options) =>
          client.changeInvisibleDuration({ ...request, consumerId }, options),
        ),
      );
      message.renew(changed.receiptHandle);
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#acks.settled();
    this.#ending.abort();
    const id = this.#id.current;
    if (id !== undefined) await this.#cleanUp(id).catch(ignore);
    this.#receiving.onClosed(this);
  }

  /** What it does not reach, the proxy does when nobody has used the id for a while. */
  async #cleanUp(id: Promise<string>): Promise<void> {
    const consumerId = await id;
    await this.#calls.inTime({}, (scope) =>
      this.#calls.unary(scope, (client, options) => client.cleanupConsumer({ consumerId }, options)),
    );
  }

  #inTime<T>(call: CallOptions, work: (scope: Scope) => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(closedError('the consumer'));
    return this.#calls.inTime(call, work);
  }

  /** One stream. @returns what broke it; undefined where it is over: proxies end a stream well where its consumer was cleaned up. */
  async *#stream(
    signal: AbortSignal,
    resumption: Resumption,
  ): AsyncGenerator<WebMessage, MQError | undefined, undefined> {
    const { messagesMax } = this.#receiving;
    const gone = new AbortController();
    const unlink = onAbort(signal, () => gone.abort());
    try {
      const consumerId = signal.aborted ? undefined : await this.#untilStopped(signal, this.#id.get());
      if (consumerId === undefined) return undefined;
      const request = { consumerId, binaryBodies: true, messagesMax };
      const stream = this.#calls.stream(gone.signal, (client, call) => client.receiveMessages(request, call));
      for await (const message of stream) {
        resumption.received();
        yield new WebMessage(message);
        if (signal.aborted) break;
      }
      return undefined;
    } catch (error) {
      if (error instanceof MQError) return error;
      throw error;
    } finally {
      unlink();
      // With its stream, a message whose ack is on its way would be given back.
      await this.#acks.settled();
      gone.abort();
    }
  }

  /** Waits until the stream is to be opened again. @throws MQError where that is of no use. */
  async #rest(error: MQError, resumption: Resumption, signal: AbortSignal): Promise<void> {
    const delayMs = resumption.delayMs(error, performance.now());
    if (delayMs === undefined) throw error;
    this.#id.forgetIfUnknown(error);
    this.#receiving.onResume?.(error, delayMs);
    await sleep(delayMs, signal);
  }

  /** What is awaited, or undefined as soon as the signal is aborted. */
  async #untilStopped<T>(signal: AbortSignal, awaited: Promise<T>): Promise<T | undefined> {
    let off: (() => void) | undefined;
    const stopped = new Promise<undefined>((resolve) => {
      off = onAbort(signal, () => resolve(undefined));
    });
    try {
      return await Promise.race([awaited, stopped]);
    } finally {
      off?.();
    }
  }

  #ackAll(receiptHandles: string[], scope: Scope): Promise<(MQError | undefined)[]> {
    return this.#id.use(async (consumerId) => {
      const { outcomes } = await this.#calls.unary(scope, (client, options) =>
        client.ackMessages({ consumerId, receiptHandles }, options),
      );
      return outcomes.map(outcomeError);
    });
  }
}

function ignore(): void {}
