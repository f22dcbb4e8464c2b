import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { Changes } from './changes.ts';
import type { Message } from './published-api.ts';

/** A message and when it came, in ms since 1970. */
export interface ReceivedMessage extends Message {
  readonly arrivedAtMs: number;
}

const arrivalTimeoutMs = 30_000;

/** One ReceiveMessages call. */
export class MessageStream {
  /** All that came, in the order in which it came. */
  readonly messages: ReceivedMessage[] = [];
  readonly #call: ClientReadableStream<Message>;
  readonly #changes = new Changes();
  #takenCount = 0;
  #end: ServiceError | undefined | 'open' = 'open';

  constructor(call: ClientReadableStream<Message>) {
    this.#call = call;
    call.on('data', (message: Message) => {
      this.messages.push({ ...message, arrivedAtMs: Date.now() });
      this.#changes.notify();
    });
    call.on('error', (error: ServiceError) => this.#ended(error));
    call.on('end', () => this.#ended(undefined));
  }

  /** The next `count` messages that no earlier `take` gave. */
  async take(count: number, timeoutMs?: number): Promise<readonly ReceivedMessage[]> {
    const start = this.#takenCount;
    await this.until((messages) => messages.length >= start + count, timeoutMs);
    this.#takenCount += count;
    return this.messages.slice(start, start + count);
  }

  /** The first message that `accept` takes, earlier ones too. */
  async find(accept: (message: ReceivedMessage) => boolean, timeoutMs?: number): Promise<ReceivedMessage> {
    return this.#until(() => this.messages.find(accept), timeoutMs);
  }

  /** Waits until what came is enough. */
  async until(enough: (messages: readonly ReceivedMessage[]) => boolean, timeoutMs?: number): Promise<void> {
    await this.#until(() => enough(this.messages) || undefined, timeoutMs);
  }

  /** How it ended: with an error, or undefined for a clean end. */
  async ended(timeoutMs = arrivalTimeoutMs): Promise<ServiceError | undefined> {
    const { end } = await this.#changes.until(
      () => (this.#end === 'open' ? undefined : { end: this.#end }),
      timeoutMs,
      () => 'the stream is still open',
    );
    return end;
  }

  get isOpen(): boolean {
    return this.#end === 'open';
  }

  /** Reads no more until `resume`. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  cancel(): void {
    this.#call.cancel();
  }

  #until<T>(read: () => T | undefined, timeoutMs = arrivalTimeoutMs): Promise<T> {
    const missing = (): string =>
      `the stream is ${this.isOpen ? 'open' : `at its end (${JSON.stringify(this.#end)})`}, and it has: ${this.messages
        .map(({ message_body, reconsume_times }) => `${message_body.slice(0, 20)} (${reconsume_times})`)
        .join(', ')}`;
    const check = (): T | undefined => {
      const found = read();
      if (found === undefined && !this.isOpen) throw new Error(missing());
      return found;
    };
    return this.#changes.until(check, timeoutMs, missing);
  }

  #ended(error: ServiceError | undefined): void {
    // grpc-js emits an error and an end.
    if (this.#end === 'open' || error !== undefined) this.#end = error;
    this.#changes.notify();
  }
}
