/** A gRPC client of the published API as its users have it: `@grpc/grpc-js` and the published field numbers, nothing of `src/`. */
import { type ChannelCredentials, type ChannelOptions, Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { MessageStream } from './message-stream.ts';
import {
  type Message,
  methodOf,
  noProperties,
  ownFields,
  type Replies,
  type SendRequest,
  type SendRpc,
} from './published-api.ts';

const noTarget = { endpoint: '', access_key_id: '', access_key_secret: '', instance_id: '' };

const callTimeoutMs = 30_000;

/** One client on one connection of its own. */
export class ProxyClient {
  readonly #client: Client;

  /**
   * @param address `host:port` of the proxy.
   * @param by cleartext unless it says otherwise.
   */
  constructor(address: string, options: ChannelOptions = {}, by: ChannelCredentials = credentials.createInsecure()) {
    this.#client = new Client(address, by, {
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

/** What a failed call says. */
export interface Failure {
  /** Name of the status code. */
  readonly code: string;
  readonly details: string;
}

/** `reason` of the ErrorInfo that every failure of the proxy carries; undefined for one that is of the caller's own making. */
export function reasonOf(error: unknown): string | undefined {
  const metadata = error instanceof Error && 'metadata' in error ? error.metadata : undefined;
  const [details] = metadata instanceof Metadata ? metadata.get('grpc-status-details-bin') : [];
  return /google\.rpc\.ErrorInfo\x12.\x0a.([A-Z_]+)/s.exec(details?.toString('latin1') ?? '')?.[1];
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
