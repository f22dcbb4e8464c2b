/** A gRPC client of the whole API, with what it has beyond the published one: `@grpc/grpc-js` and the proto that users get. */
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Changes } from './changes.ts';

/** A message of the API, its fields named as in the proto; 64-bit numbers are strings, bytes are Buffers. */
// biome-ignore lint/suspicious/noExplicitAny: what a test reads of a reply, the reply's schema says, and the test itself judges.
export type Fields = Readonly<Record<string, any>>;

const arrivalTimeoutMs = 30_000;

/** One client on one connection of its own. */
export class GrownClient {
  readonly #client: Client;
  readonly #service: ServiceDefinition;

  /**
   * @param address `host:port` of the proxy.
   * @param file in `proto`.
   */
  constructor(address: string, file = 'rocketmq/rocketmq.proto', service = 'rocketmq.RocketMQProxy') {
    this.#service = loadService(file, service);
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** @throws ServiceError of grpc-js. */
  call(rpc: string, request: object): Promise<Fields> {
    const { path, requestSerialize, responseDeserialize } = this.#method(rpc);
    const deadline = Date.now() + arrivalTimeoutMs;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<object, object>(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        { deadline },
        (error, reply) => {
          if (error !== null) reject(error);
          else if (reply !== undefined) resolve({ ...reply });
        },
      );
    });
  }

  /** A stream of replies. */
  open(rpc: string, request: object): ReplyStream<ClientReadableStream<object>> {
    const { path, requestSerialize, responseDeserialize } = this.#method(rpc);
    return new ReplyStream(
      this.#client.makeServerStreamRequest<object, object>(path, requestSerialize, responseDeserialize, request),
    );
  }

  /** A stream of requests and one of replies. */
  converse(rpc: string): ReplyStream<ClientDuplexStream<object, object>> {
    const { path, requestSerialize, responseDeserialize } = this.#method(rpc);
    return new ReplyStream(
      this.#client.makeBidiStreamRequest<object, object>(path, requestSerialize, responseDeserialize),
    );
  }

  close(): void {
    this.#client.close();
  }

  #method(rpc: string): MethodDefinition<object, object> {
    const method = this.#service[rpc];
    if (method === undefined) throw new Error(`rocketmq.proto has no ${rpc}`);
    return method;
  }
}

/** The replies of one call, in the order in which they came. */
export class ReplyStream<C extends ClientReadableStream<object>> {
  readonly call: C;
  readonly #replies: Fields[] = [];
  readonly #changes = new Changes();
  #takenCount = 0;
  #end: { readonly error: Error | undefined } | undefined;

  constructor(call: C) {
    this.call = call;
    call.on('data', (reply: object) => {
      this.#replies.push({ ...reply });
      this.#changes.notify();
    });
    call.on('error', (error) => this.#ended(error));
    call.on('end', () => this.#ended(undefined));
  }

  /** The next `count` replies that no earlier `take` gave. @throws Error when the stream ends first. */
  async take(count: number): Promise<readonly Fields[]> {
    const until = this.#takenCount + count;
    const missing = (): string => `${this.#replies.length} replies instead of ${until}: ${String(this.#end?.error)}`;
    await this.#changes.until(
      () => {
        if (this.#replies.length >= until) return true;
        if (this.#end !== undefined) throw new Error(missing());
        return undefined;
      },
      arrivalTimeoutMs,
      missing,
    );
    const taken = this.#replies.slice(this.#takenCount, until);
    this.#takenCount = until;
    return taken;
  }

  /** All that have come so far. */
  get received(): readonly Fields[] {
    return this.#replies;
  }

  /** Resolves when it has ended well. @throws ServiceError of grpc-js. */
  async ended(): Promise<void> {
    const { error } = await this.#changes.until(
      () => this.#end,
      arrivalTimeoutMs,
      () => 'the stream is still open',
    );
    if (error !== undefined) throw error;
  }

  cancel(): void {
    this.call.cancel();
  }

  #ended(error: Error | undefined): void {
    // grpc-js emits an error and an end.
    if (this.#end === undefined || error !== undefined) this.#end = { error };
    this.#changes.notify();
  }
}

function loadService(file: string, service: string): ServiceDefinition {
  const path = fileURLToPath(new URL(`../../proto/${file}`, import.meta.url));
  const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
  const definition = loadSync(path, options)[service];
  if (definition === undefined || 'format' in definition) throw new Error(`${file} has no ${service}`);
  return definition as ServiceDefinition;
}
