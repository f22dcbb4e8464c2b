import type { Deadline } from '../../remoting/deadline.ts';
import type { ClusterClient } from '../client.ts';
import { Closing } from '../closing.ts';
import { BatchError } from '../send/batches.ts';
import type { Reply } from '../send/request-reply.ts';
import type { CallOptions } from './call.ts';
import { type ClientParts, runOnCluster } from './client-parts.ts';
import { type Message, toOutgoing } from './message.ts';
import type { ReceivedMessage } from './received-message.ts';
import { closedError, RocketMQError, toRocketMQError } from './rocketmq-error.ts';
import { type SendResult, toSendOutcomes, toSendResult } from './send-result.ts';

/** Sends messages. Make one for as long as the program runs; any number of sends may be under way at once. */
export class Producer implements AsyncDisposable {
  readonly #parts: ClientParts;
  readonly #closing: Closing;

  /** Not for users: `RocketMQClient.producer` makes them. */
  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.#closing = new Closing(
      () => closedError('the producer'),
      async () => {
        await this.#closing.ended();
        parts.onClosed(this);
      },
    );
  }

  /**
   * Stores a message, and resolves when a broker says that it has it. A try that fails is repeated at another broker, with the same
   * message id, as long as the call has time.
   * @throws RocketMQError. Only `OUTCOME_UNKNOWN` leaves open whether the message is stored.
   */
  send(message: Message, call: CallOptions = {}): Promise<SendResult> {
    return this.#run(call, async (cluster, deadline) => {
      const sent = await cluster.producer.send(toOutgoing(message, this.#parts.rules), deadline);
      return toSendResult(sent, this.#parts.shortTopic);
    });
  }

  /**
   * Stores several messages of one topic and one sharding key (or none): cheaper for the broker than one by one. Each request stores up to
   * `batchBytesMax` bytes and `batchCountMax` messages, all of them or none, in one queue. They cannot be delayed.
   * @returns one result for each message, in order.
   * @throws RocketMQError as `send`, whose `outcomes` say of each message whether it is stored, once one part of the batch was sent.
   */
  sendBatch(messages: readonly Message[], call: CallOptions = {}): Promise<readonly SendResult[]> {
    return this.#run(call, async (cluster, deadline) => {
      const outgoing = messages.map((message) => toOutgoing(message, this.#parts.rules));
      try {
        const sent = await cluster.producer.sendBatch(outgoing, deadline);
        return sent.map((one) => toSendResult(one, this.#parts.shortTopic));
      } catch (error) {
        if (!(error instanceof BatchError)) throw error;
        const { code, message, cause } = toRocketMQError(error, call.signal);
        const outcomes = toSendOutcomes(error.outcomes, this.#parts.shortTopic);
        throw new RocketMQError(code, message, cause, { outcomes });
      }
    });
  }

  /**
   * Sends a message and waits for the reply of whoever receives it, in any language; `timeoutMs` is for both. Brokers keep no replies: one
   * that comes too late is lost.
   * @throws RocketMQError as `send`; `TIMEOUT` where no reply came: the message may have been worked on all the same.
   */
  request(message: Message, call: CallOptions = {}): Promise<Reply> {
    return this.#run(call, (cluster, deadline) =>
      cluster.requestReply.request(toOutgoing(message, this.#parts.rules), deadline),
    );
  }

  /**
   * Replies to a message that was sent by `request`, from the handler that received it.
   * @throws RocketMQError `INVALID_ARGUMENT` for a message that nobody waits for a reply to; and where its sender is gone.
   */
  reply(request: ReceivedMessage, body: Uint8Array | string, call: CallOptions = {}): Promise<void> {
    const { properties, brokerName } = request;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    return this.#run(call, (cluster, deadline) =>
      cluster.requestReply.reply({ properties, receipt: { brokerName } }, bytes, {}, deadline),
    );
  }

  /**
   * Takes back a message that waits for its time. Apache's brokers say yes to every handle whose time has not come, and seconds before that
   * the message may come all the same.
   * @returns its message id.
   * @throws RocketMQError where its time has come, or the broker is older than 5.3 or runs without `recallMessageEnable=true`.
   */
  recall(topic: string, recallHandle: string, call: CallOptions = {}): Promise<string> {
    return this.#run(call, (cluster, deadline) =>
      cluster.recalls.recall(this.#parts.rules.fullTopic(topic), recallHandle, deadline),
    );
  }

  /**
   * Makes sure that messages for the topic have somewhere to go: a name server and a broker of the topic answer. Sends do it by
   * themselves; this is for programs that want to know at their start.
   * @throws RocketMQError `TOPIC_NOT_FOUND`, `UNREACHABLE`, `TIMEOUT`, …
   */
  check(topic: string, call: CallOptions = {}): Promise<void> {
    return this.#run(call, (cluster, deadline) => cluster.checkTopic(this.#parts.rules.fullTopic(topic), deadline));
  }

  /** Takes no more messages, and resolves when the sends that are under way have ended. */
  close(): Promise<void> {
    return this.#closing.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run<T>(call: CallOptions, work: (cluster: ClusterClient, deadline: Deadline) => Promise<T>): Promise<T> {
    return this.#closing.during(() => runOnCluster(this.#parts, call, work));
  }
}
