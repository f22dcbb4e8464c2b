/** A gRPC client of the published API as its users have it: `@grpc/grpc-js` and the published field numbers, nothing of `src/`. */
import { fileURLToPath } from 'node:url';
import {
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Changes } from './changes.ts';

/** A message as the published SDK reads it: 64-bit numbers are strings. */
export interface Message {
  readonly message_id: string;
  readonly receipt_handle: string;
  readonly message_body: string;
  readonly tag: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly born_timestamp: string;
  readonly reconsume_times: number;
}

/** A message and when it came, in ms since 1970. */
export interface ReceivedMessage extends Message {
  readonly arrivedAtMs: number;
}

interface Reply {
  readonly success: boolean;
  readonly message: string;
}

interface SendReply extends Reply {
  readonly message_id: string;
  readonly receipt_handle: string;
}

interface CleanupReply extends Reply {
  readonly cleaned_count: number;
}

/** The unary RPCs and what they answer. */
interface Replies {
  readonly CreateProducer: Reply & { readonly producer_id: string };
  readonly SendMessage: SendReply;
  readonly SendOrderedMessage: SendReply;
  readonly SendDelayMessage: SendReply;
  readonly SendTransactionMessage: SendReply & { readonly transaction_id: string };
  readonly CreateConsumer: Reply & { readonly consumer_id: string };
  readonly AckMessage: Reply;
  readonly CleanupProducer: CleanupReply;
  readonly CleanupConsumer: CleanupReply;
  readonly HealthCheck: { readonly healthy: boolean; readonly message: string };
}

/** The fields of MessageProperties. */
export interface SentProperties {
  readonly properties?: Readonly<Record<string, string>>;
  readonly message_key?: string;
  readonly sharding_key?: string;
  readonly start_deliver_time?: number;
  readonly trans_check_immunity_time?: number;
}

/** What the four send RPCs take, besides the fields of their own. */
export interface SendRequest {
  readonly producer_id: string;
  readonly message_body: string;
  readonly tag?: string;
  readonly properties?: SentProperties;
  readonly sharding_key?: string;
  readonly delay_time_level?: number;
  readonly start_deliver_time?: number;
  readonly trans_check_immunity_time?: number;
}

/** The RPCs that send. */
export const sendRpcs = ['SendMessage', 'SendOrderedMessage', 'SendDelayMessage', 'SendTransactionMessage'] as const;
export type SendRpc = (typeof sendRpcs)[number];

/** What each send RPC has beyond the others; the published SDK sends every field, set or not. */
const ownFields: Readonly<Record<SendRpc, object>> = {
  SendMessage: {},
  SendOrderedMessage: { sharding_key: '' },
  SendDelayMessage: { delay_time_level: 0, start_deliver_time: 0 },
  SendTransactionMessage: { trans_check_immunity_time: 0 },
};

const noProperties = {
  properties: {},
  message_key: '',
  sharding_key: '',
  start_deliver_time: 0,
  trans_check_immunity_time: 0,
};
const noTarget = { endpoint: '', access_key_id: '', access_key_secret: '', instance_id: '' };

const service = loadService();

function loadService(): ServiceDefinition {
  const file = fileURLToPath(new URL('published.proto', import.meta.url));
  const definition = loadSync(file, { keepCase: true, longs: String, defaults: true })['rocketmq.RocketMQProxy'];
  if (definition === undefined || 'format' in definition) throw new Error('published.proto has no RocketMQProxy');
  return definition as ServiceDefinition;
}

function methodOf(rpc: string) {
  const method = service[rpc];
  if (method === undefined) throw new Error(`published.proto has no ${rpc}`);
  return method;
}

/** A request by its published field numbers, for clients that are no grpc-js. */
export function encodeRequest(rpc: string, request: object): Buffer {
  return methodOf(rpc).requestSerialize(request);
}

/** Reads a reply by its published field numbers. */
export function decodeReply(rpc: string, bytes: Buffer): Readonly<Record<string, unknown>> {
  return { ...methodOf(rpc).responseDeserialize(bytes) };
}

const callTimeoutMs = 30_000;

/** One client on one connection of its own. */
export class ProxyClient {
  readonly #client: Client;

  /** @param address `host:port` of the proxy. */
  constructor(address: string, options: ChannelOptions = {}) {
    this.#client = new Client(address, credentials.createInsecure(), {
      // Without it, clients of one process share a connection.
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    });
  }

  /** @throws ServiceError of grpc-js. */
  call<Rpc extends keyof Replies>(rpc: Rpc, request: object, timeoutMs = callTimeoutMs): Promise<Replies[Rpc]> {
    const { path, requestSerialize, responseDeserialize } = methodOf(rpc);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<object, Replies[Rpc]>(
        path,
        requestSerialize,
        // grpc-js types what it reads as `object`; the loader made it from the field numbers of the reply.
        responseDeserialize as (bytes: Buffer) => Replies[Rpc],
        request,
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, reply) => {
          if (error !== null) reject(error);
          else if (reply !== undefined) resolve(reply);
        },
      );
    });
  }

  /** Calls `/rocketmq.RocketMQProxy/…` with these bytes as its request. */
  callRaw(rpc: string, request: Buffer): Promise<Buffer> {
    const same = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + callTimeoutMs;
      const path = `/rocketmq.RocketMQProxy/${rpc}`;
      this.#client.makeUnaryRequest(path, same, same, request, new Metadata(), { deadline }, (error, reply) => {
        if (error !== null) reject(error);
        else if (reply !== undefined) resolve(reply);
      });
    });
  }

  async createProducer(topic: string, target: object = {}): Promise<string> {
    return (await this.call('CreateProducer', { ...noTarget, topic, ...target })).producer_id;
  }

  async createConsumer(topic: string, group: string, more: object = {}): Promise<string> {
    const request = { ...noTarget, topic, group_id: group, tag_expression: '', ...more };
    return (await this.call('CreateConsumer', request)).consumer_id;
  }

  /** Sends as the published SDK does: every field of the request is there, set or not. */
  send<Rpc extends SendRpc>(rpc: Rpc, { properties, ...request }: SendRequest): Promise<Replies[Rpc]> {
    return this.call(rpc, {
      tag: '',
      ...ownFields[rpc],
      ...request,
      properties: { ...noProperties, ...properties },
    });
  }

  receive(consumerId: string): MessageStream {
    const { path, requestSerialize, responseDeserialize } = methodOf('ReceiveMessages');
    return new MessageStream(
      this.#client.makeServerStreamRequest<object, Message>(
        path,
        requestSerialize,
        responseDeserialize as (bytes: Buffer) => Message,
        { consumer_id: consumerId },
        new Metadata(),
      ),
    );
  }

  /** A new consumer and its stream. */
  async subscribe(topic: string, group: string, more: object = {}): Promise<Subscription> {
    const consumerId = await this.createConsumer(topic, group, more);
    return { consumerId, stream: this.receive(consumerId) };
  }

  async ack(consumerId: string, message: Pick<Message, 'receipt_handle'>): Promise<void> {
    await this.call('AckMessage', { consumer_id: consumerId, receipt_handle: message.receipt_handle });
  }

  close(): void {
    this.#client.close();
  }
}

/** A consumer that receives. */
export interface Subscription {
  readonly consumerId: string;
  readonly stream: MessageStream;
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

/** What a failed call says. */
export interface Failure {
  /** Name of the status code. */
  readonly code: string;
  readonly details: string;
}

/** How a call fails. @throws Error when it does not. */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  try {
    const reply = await call;
    throw new Error(`the call succeeded: ${JSON.stringify(reply)}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'details' in error) {
      return { code: status[Number(error.code)] ?? String(error.code), details: String(error.details) };
    }
    throw error;
  }
}
