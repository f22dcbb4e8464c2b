import { create, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { type Code, ConnectError } from '@connectrpc/connect';
import type { HeaderField } from '../../src/http2/hpack/header-field.ts';
import type { Call } from '../../src/proxy/rpc/call.ts';
import type { Calls, IncomingCall } from '../../src/proxy/rpc/calls.ts';
import type { ServedMethod } from '../../src/proxy/rpc/served-methods.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import type { Metadata } from './metadata.ts';
import type {
  BidiRequest,
  DefiningRequest,
  ErrorMessage,
  HeaderMessage,
  RequestInfo,
  Schemas,
  StreamDefinition,
  UnaryDefinition,
} from './schemas.ts';

/** The service that the suite calls, whose requests say how they are to be answered. */
export class ConformanceService {
  readonly #schemas: Schemas;
  readonly #calls: Calls;

  constructor(schemas: Schemas, calls: Calls) {
    this.#schemas = schemas;
    this.#calls = calls;
  }

  /** `Unimplemented` is not among them: the suite asks what callers of a method get that is not served. */
  methods(metadataOf: (call: IncomingCall) => Metadata): readonly ServedMethod[] {
    const served = <Request>(name: string, serve: Serve<Request>): ServedMethod => {
      const method = this.#schemas.service.methods.find((one) => one.name === name);
      if (method === undefined) throw new Error(`the suite has no method ${name}`);
      return { method, serve: (request, incoming) => serve(name, request, metadataOf(incoming), incoming) };
    };
    const once: Serve<DefiningRequest<UnaryDefinition>> = (name, request, metadata, incoming) =>
      this.#calls.unary(name, (_, call) =>
        this.#answerOnce([request], request.responseDefinition, new Exchange(this.#schemas, metadata, call)),
      )(request, incoming);
    return [
      served('Unary', once),
      served('IdempotentUnary', once),
      served<AsyncIterable<DefiningRequest<UnaryDefinition>>>('ClientStream', (name, requests, metadata, incoming) =>
        this.#calls.unary(name, async (_, call) => {
          const all: DefiningRequest<UnaryDefinition>[] = [];
          for await (const request of requests) all.push(request);
          return this.#answerOnce(all, all[0]?.responseDefinition, new Exchange(this.#schemas, metadata, call));
        })(requests, incoming),
      ),
      served<DefiningRequest<StreamDefinition>>('ServerStream', (name, request, metadata, incoming) =>
        this.#calls.stream(name, (_, call) =>
          this.#answerAll([request], request.responseDefinition, new Exchange(this.#schemas, metadata, call)),
        )(request, incoming),
      ),
      served<AsyncIterable<BidiRequest>>('BidiStream', (name, requests, metadata, incoming) =>
        this.#calls.stream(name, (_, call) => this.#converse(requests, new Exchange(this.#schemas, metadata, call)))(
          requests,
          incoming,
        ),
      ),
    ];
  }

  async #answerOnce(requests: readonly Message[], definition: UnaryDefinition | undefined, exchange: Exchange) {
    exchange.begin(definition);
    await exchange.wait(definition?.responseDelayMs);
    const { response } = definition ?? {};
    if (response?.case === 'error') throw exchange.failure(response.value, requests);
    return exchange.reply(response?.value, requests);
  }

  async *#answerAll(requests: readonly Message[], definition: StreamDefinition | undefined, exchange: Exchange) {
    exchange.begin(definition);
    yield* this.#rest(definition, 0, requests, exchange);
  }

  /** The replies from one on; the first of all, or the failure that comes in its place, tells of the requests. */
  async *#rest(
    definition: StreamDefinition | undefined,
    sentCount: number,
    requests: readonly Message[],
    exchange: Exchange,
  ) {
    const { responseData = [], responseDelayMs, error } = definition ?? {};
    for (const [index, data] of responseData.entries()) {
      if (index < sentCount) continue;
      await exchange.wait(responseDelayMs);
      yield exchange.reply(data, index === 0 ? requests : undefined);
    }
    if (error !== undefined) throw exchange.failure(error, responseData.length === 0 ? requests : undefined);
  }

  /** In full duplex one reply for each request as it comes, else all replies behind the last request. */
  async *#converse(requests: AsyncIterable<BidiRequest>, exchange: Exchange) {
    let first: BidiRequest | undefined;
    let unanswered: BidiRequest[] = [];
    let sentCount = 0;
    for await (const request of requests) {
      if (first === undefined) exchange.begin(request.responseDefinition);
      first ??= request;
      unanswered.push(request);
      if (!first.fullDuplex) continue;
      const data = first.responseDefinition?.responseData[sentCount];
      if (data === undefined) break;
      await exchange.wait(first.responseDefinition?.responseDelayMs);
      yield exchange.reply(data, unanswered);
      sentCount += 1;
      unanswered = [];
    }
    yield* this.#rest(first?.responseDefinition, sentCount, unanswered, exchange);
  }
}

type Serve<Request> = (name: string, request: Request, metadata: Metadata, incoming: IncomingCall) => unknown;

/** One call, as the service sees and answers it. */
class Exchange {
  readonly #schemas: Schemas;
  readonly #metadata: Metadata;
  readonly #call: Call;

  constructor(schemas: Schemas, metadata: Metadata, call: Call) {
    this.#schemas = schemas;
    this.#metadata = metadata;
    this.#call = call;
  }

  begin(definition: UnaryDefinition | StreamDefinition | undefined): void {
    this.#metadata.addHeaders(toFields(definition?.responseHeaders));
    this.#metadata.addTrailers(toFields(definition?.responseTrailers));
  }

  /** As the proxy's handlers wait. @throws RemotingError when the call has ended meanwhile. */
  async wait(durationMs = 0): Promise<void> {
    await Deadline.after(durationMs, this.#call.end).sleep(durationMs);
  }

  /** @param requests those that the reply tells of. */
  reply(data: Uint8Array | undefined, requests: readonly Message[] | undefined) {
    const requestInfo = requests && this.#info(requests);
    return { payload: { ...(data && { data }), ...(requestInfo && { requestInfo }) } };
  }

  /** @param requests those that the failure tells of. */
  failure({ code, message = '', details }: ErrorMessage, requests: readonly Message[] | undefined): ConnectError {
    // The suite's codes have the numbers of gRPC's.
    const failure = new ConnectError(message, code as Code);
    failure.details = details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
      value,
    }));
    if (requests !== undefined) failure.details.push({ desc: this.#schemas.requestInfo, value: this.#info(requests) });
    return failure;
  }

  #info(requests: readonly Message[]): MessageInitShape<Schemas['requestInfo']> & RequestInfo {
    const { timeoutMs } = this.#call;
    return create(this.#schemas.requestInfo, {
      requestHeaders: this.#headers(),
      requests: requests.map((request) => this.#packed(request)),
      ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.floor(timeoutMs)) }),
    });
  }

  #headers(): HeaderMessage[] {
    const headers = new Map<string, HeaderMessage>();
    for (const { name, value } of this.#metadata.fields) {
      const header = headers.get(name) ?? create(this.#schemas.header, { name });
      header.value.push(value);
      headers.set(name, header);
    }
    return [...headers.values()];
  }

  #packed(request: Message): Any {
    const schema = this.#schemas.registry.getMessage(request.$typeName);
    if (schema === undefined) throw new Error(`the suite has no message ${request.$typeName}`);
    return anyPack(schema, request);
  }
}

function toFields(headers: readonly HeaderMessage[] = []): HeaderField[] {
  return headers.flatMap(({ name, value }) => value.map((one) => ({ name, value: one })));
}
