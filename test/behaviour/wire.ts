/** One client on the wire, of which both sides can be seen: what it is answered, and what the server asks it. */
import { vi } from 'vitest';
import { type Channel, channelDefaults } from '../../src/remoting/channel.ts';
import type { Answer, Command, CommandContent } from '../../src/remoting/command.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { dial } from '../../src/remoting/dial.ts';
import type { FieldsOf, FieldTable, RequestDefinition } from '../../src/remoting/fields.ts';
import { encodePopReceipt, type PopReceipt, popReceipts } from '../../src/remoting/pop-receipt.ts';
import { getMaxOffset } from '../../src/remoting/requests/consumer-offset.ts';
import { encodeHeartbeat, type Heartbeat } from '../../src/remoting/requests/heartbeat.ts';
import { PopInitMode, popMessage } from '../../src/remoting/requests/pop-message.ts';
import type { SendMessageReply } from '../../src/remoting/requests/send-message.ts';
import { decodeStoredMessages, type StoredMessage } from '../../src/remoting/stored-message.ts';
import { Changes } from '../support/changes.ts';
import { EngineClient, type Pulled, type PullFields, type SendMore } from '../support/engine-client.ts';

const waitTimeoutMs = 30_000;

/** A message that was popped, with what acknowledges it. */
export interface Popped {
  readonly message: StoredMessage;
  readonly body: string;
  readonly receipt: PopReceipt;
  /** As requests carry it. */
  readonly extraInfo: string;
}

type PopFields = Parameters<typeof popMessage.encode>[0];

/** A connection to a broker. */
export class Wire {
  readonly channel: Channel;
  /** Requests of the server, in the order in which they came. */
  readonly asked: readonly Command[];
  readonly #client: EngineClient;
  readonly #changes: Changes;

  private constructor(channel: Channel, asked: Command[], changes: Changes) {
    this.channel = channel;
    this.asked = asked;
    this.#client = new EngineClient(channel);
    this.#changes = changes;
  }

  /** @param answer What the client says to requests of the server. Default: nothing. */
  static async connect(
    address: string,
    answer: (request: Command) => Answer | undefined = () => undefined,
  ): Promise<Wire> {
    const asked: Command[] = [];
    const changes = new Changes();
    const onServerRequest = async (request: Command): Promise<Answer | undefined> => {
      asked.push(request);
      changes.notify();
      return answer(request);
    };
    const options = { ...channelDefaults, connectTimeoutMs: 3_000, onServerRequest };
    return new Wire(await dial(address, options, Deadline.after(5_000)), asked, changes);
  }

  /** The reply, whatever its code. */
  invoke(content: CommandContent): Promise<Command> {
    return this.#client.invoke(content, waitTimeoutMs);
  }

  /** The code of the reply. */
  async code<Q extends FieldTable, R extends FieldTable>(
    definition: RequestDefinition<Q, R>,
    values: FieldsOf<Q>,
    body?: Uint8Array,
  ): Promise<number> {
    return (await this.invoke(definition.encode(values, body))).code;
  }

  /** The fields of the reply. @throws ResponseError when its code is no success. */
  ask<Q extends FieldTable, R extends FieldTable>(
    definition: RequestDefinition<Q, R>,
    values: FieldsOf<Q>,
    body?: Uint8Array,
  ): Promise<FieldsOf<R>> {
    return this.#client.ask(definition, values, body);
  }

  send(topic: string, body: string | Buffer, more?: SendMore): Promise<SendMessageReply> {
    return this.#client.send(topic, body, more);
  }

  pull(topic: string, fields: PullFields = {}): Promise<Pulled> {
    // Apache wants a version with a subscription, whatever it is.
    return this.#client.pull(topic, { subscriptionVersion: 0n, ...fields });
  }

  async heartbeat(values: Partial<Heartbeat> & Pick<Heartbeat, 'clientId'>): Promise<Command> {
    return this.invoke(encodeHeartbeat({ producerGroups: [], consumers: [], ...values }));
  }

  /** Waits until a queue has so many messages: Apache puts them there a little after it has answered. */
  async holds(topic: string, count: number, queueId = 0): Promise<void> {
    const offset = async (): Promise<number> => Number((await this.ask(getMaxOffset, { topic, queueId })).offset);
    await vi.waitUntil(async () => (await offset()) >= count, { timeout: waitTimeoutMs, interval: 10 });
  }

  /** Waits for a request of the server. */
  askedFor(code: number, count = 1): Promise<Command> {
    return this.#changes.until(
      () => this.asked.filter((request) => request.code === code)[count - 1],
      waitTimeoutMs,
      () => `the server asked for ${this.asked.map((request) => request.code).join(', ') || 'nothing'}`,
    );
  }

  /** The reply to a POP of all queues, not waiting, unless told otherwise. */
  pop(topic: string, group: string, fields: Partial<PopFields> = {}): Promise<Command> {
    return this.invoke(
      popMessage.encode({
        consumerGroup: group,
        topic,
        queueId: -1,
        messageCountMax: 32,
        invisibleDurationMs: 60_000,
        pollDurationMs: 0,
        bornTimeMs: Date.now(),
        initMode: PopInitMode.MIN,
        ...fields,
      }),
    );
  }

  /** Pops until there are so many: a broker may hand them out in more than one go. */
  async popped(topic: string, group: string, count: number, fields: Partial<PopFields> = {}): Promise<Popped[]> {
    const found: Popped[] = [];
    const deadline = performance.now() + waitTimeoutMs;
    while (found.length < count) {
      if (performance.now() > deadline) throw new Error(`popped ${found.length} of ${count} messages of ${topic}`);
      found.push(...this.taken(await this.pop(topic, group, { pollDurationMs: 500, ...fields })));
    }
    return found;
  }

  /** What a POP brought. */
  taken(reply: Command): Popped[] {
    const fields = popMessage.decodeReply(reply, this.channel.address);
    const messages = decodeStoredMessages(reply.body);
    if (messages.length === 0) return [];
    const receipts = popReceipts(fields, 'broker-a', messages);
    return messages.flatMap((message, index) => {
      const receipt = receipts[index];
      if (receipt === undefined) return [];
      return [{ message, body: message.body.toString(), receipt, extraInfo: encodePopReceipt(receipt) }];
    });
  }

  close(): void {
    this.channel.close();
  }
}
