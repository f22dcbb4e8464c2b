import type { Consumer } from '../../src/sdk/consumer.ts';
import type { MessageData } from '../../src/sdk/message.ts';
import { Changes } from './changes.ts';

const arrivalTimeoutMs = 60_000;

/** What the handler of a consumer got, to be waited for. */
export class Inbox<Body extends string | Buffer = string> {
  readonly messages: MessageData<Body>[] = [];
  readonly #changes = new Changes();

  /**
   * Registers a handler that notes each message, and begins to receive.
   * @param work of the handler, before the message is noted; default: acknowledges.
   */
  constructor(
    consumer: Consumer<Body>,
    work: (message: MessageData<Body>) => unknown = ({ receiptHandle }) => consumer.ackMessage(receiptHandle),
  ) {
    consumer.onMessage(async (message) => {
      try {
        await work(message);
      } finally {
        this.messages.push(message);
        this.#changes.notify();
      }
    });
    consumer.startReceiving();
  }

  get bodies(): Body[] {
    return this.messages.map(({ body }) => body);
  }

  /** Resolves with the first messages when there are so many. */
  async atLeast(count: number): Promise<MessageData<Body>[]> {
    const read = () => (this.messages.length >= count ? this.messages.slice(0, count) : undefined);
    return this.#changes.until(read, arrivalTimeoutMs, () => `${this.messages.length} of ${count} messages came`);
  }

  /** Resolves with the nth message, from 0 on. */
  async at(index: number): Promise<MessageData<Body>> {
    const message = (await this.atLeast(index + 1))[index];
    if (message === undefined) throw new Error(`there is no message ${index}`);
    return message;
  }
}
