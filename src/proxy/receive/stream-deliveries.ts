import type { MessageStream } from '../../client/consumer.ts';
import type { Receipt } from '../../client/receipt.ts';
import type { ReceivedMessage } from '../../client/received-message.ts';
import type { Log } from '../../log.ts';
import { type DeliveredAs, DeliveredMessage } from './delivered-message.ts';
import { isDeliverable } from './incoming.ts';
import type { PropertyCuts } from './property-cuts.ts';

/** Bodies from this size on are let go of as soon as they are written down as bytes. */
export const largeBytesMin = 65_536;

export interface DeliveryOptions {
  readonly binaryBodies: boolean;
  /** Shared by all streams. */
  readonly cuts: PropertyCuts;
  readonly seal: (receipt: Receipt) => string;
  /** A message was too large for any reply, and is left out. */
  readonly onLeftOut: () => void;
  readonly log: Log;
}

/**
 * Messages of one stream as the API delivers them. Keeps nothing of what it has delivered, and nothing keeps the stored message: a large
 * one would be in memory twice more while its reader takes it.
 */
export class StreamDeliveries {
  readonly #messages: MessageStream;
  readonly #options: DeliveryOptions;
  readonly #as: DeliveredAs;
  #last: DeliveredMessage | undefined;

  constructor(messages: MessageStream, options: DeliveryOptions) {
    this.#messages = messages;
    this.#options = options;
    this.#as = { isBinary: options.binaryBodies, cuts: options.cuts };
  }

  /** The next message, if it is at hand. */
  takeNow(): DeliveredMessage | undefined {
    for (;;) {
      const message = this.#messages.takeNow();
      if (message === undefined) return undefined;
      const delivered = this.#deliver(message);
      if (delivered !== undefined) return delivered;
    }
  }

  /** Waits for the next message; undefined at the end. Fails as the stream fails. */
  async next(): Promise<DeliveredMessage | undefined> {
    for (;;) {
      const { value } = await this.#messages.next();
      if (value === undefined) return undefined;
      const delivered = this.#deliver(value);
      if (delivered !== undefined) return delivered;
    }
  }

  /** The last message has become bytes: nobody needs its body any more, but those who handed it on still have the message. */
  forgetBody(): void {
    this.#last?.forgetBody();
    this.#last = undefined;
  }

  /** Ends the stream. Resolves when what it leaves is given back. */
  async end(): Promise<void> {
    await this.#messages.return();
  }

  #deliver(message: ReceivedMessage): DeliveredMessage | undefined {
    const { seal, binaryBodies, onLeftOut, log } = this.#options;
    const { body } = message;
    if (!isDeliverable(body, binaryBodies)) {
      const { messageId, topic } = message;
      log.error({ messageId, topic, bytes: body.length }, 'a message is too large to be delivered');
      onLeftOut();
      return undefined;
    }
    const delivered = new DeliveredMessage(message, seal(message.receipt), this.#as);
    this.#last = body.length < largeBytesMin ? undefined : delivered;
    return delivered;
  }
}
