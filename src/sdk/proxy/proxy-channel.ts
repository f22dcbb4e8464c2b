import { setMaxListeners } from 'node:events';
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  connectivityState,
  type Metadata,
  status,
} from '@grpc/grpc-js';
import { decoderOf, encoderOf } from '../../wire/message-codec.ts';
import { ProtoWriter } from '../../wire/proto-writer.ts';
import { cancelledError, type MQError } from '../mq-error.ts';
import { fromServiceError } from './status.ts';

/** What one call has besides its request. */
export interface CallContext {
  /** When it has to be over: ms since 1970. */
  readonly endsAtMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Of the call; the bearer token, where there is one. */
  readonly metadata: Metadata;
  /** Whether it stores messages: where no answer comes, they may be stored. */
  readonly isSend?: boolean;
}

/** How a connection stands: `failed` means that the last try to connect failed, and that another one will be made. */
export type ChannelState = 'ready' | 'connecting' | 'failed';

/** Who hears what a stream of both directions brings. */
export interface DuplexListener<O extends DescMessage> {
  onReply(reply: MessageShape<O>): void;
  /** Once, behind the last reply; without an error where the server ended it well. */
  onEnd(error: MQError | undefined): void;
}

/** What a stream of both directions takes. */
export type DuplexStream<I extends DescMessage> = Pick<
  ClientDuplexStream<MessageInitShape<I>, unknown>,
  'write' | 'end'
>;

/** One proxy. */
export class ProxyChannel {
  /** `host:port`. */
  readonly address: string;
  readonly #client: Client;
  readonly #writer = new ProtoWriter();

  /** Connects with the first call. */
  constructor(address: string, credentials: ChannelCredentials, options: ChannelOptions) {
    this.address = address;
    this.#client = new Client(address, credentials, options);
  }

  /** Connects where it is not connected. */
  get state(): ChannelState {
    const state = this.#client.getChannel().getConnectivityState(true);
    if (state === connectivityState.READY) return 'ready';
    return state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN
      ? 'failed'
      : 'connecting';
  }

  /** Calls back once, when the state is another one than it is now, or the time is over. */
  whenChanged(endsAtMs: number, changed: () => void): void {
    const channel = this.#client.getChannel();
    channel.watchConnectivityState(channel.getConnectivityState(true), endsAtMs, () => changed());
  }

  /** @throws MQError. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { endsAtMs, signal, metadata, isSend = false }: CallContext,
  ): Promise<MessageShape<O>> {
    if (signal?.aborted === true) return Promise.reject(cancelledError(signal));
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest<MessageInitShape<I>, MessageShape<O>>(
        pathOf(method),
        this.#serializerOf(method.input),
        decoderOf(method.output),
        request,
        metadata,
        { deadline: endsAtMs },
        (error, reply) => {
          signal?.removeEventListener('abort', abort);
          if (reply !== undefined && error === null) resolve(reply);
          else reject(signal?.aborted === true ? cancelledError(signal) : this.#failureOf(error, call, isSend));
        },
      );
      const abort = (): void => call.cancel();
      if (signal === undefined) return;
      // Any number of calls may share a signal. Each takes its listener back, so there is no leak for Node to warn of.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  /**
   * A stream of answers, read only as fast as it is iterated. Returns when the server ends it, or the signal is aborted.
   * @throws MQError when it breaks.
   */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    metadata: Metadata,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<O>> {
    if (signal.aborted) return;
    const call = this.#client.makeServerStreamRequest<MessageInitShape<I>, MessageShape<O>>(
      pathOf(method),
      this.#serializerOf(method.input),
      decoderOf(method.output),
      request,
      metadata,
    );
    const abort = (): void => call.cancel();
    signal.addEventListener('abort', abort, { once: true });
    // The end of a cancelled call is told to nobody else.
    call.on('error', () => {});
    try {
      yield* call;
    } catch (error) {
      if (!signal.aborted) throw this.#failureOf(error, call, false);
    } finally {
      signal.removeEventListener('abort', abort);
      call.cancel();
    }
  }

  /** A stream of both directions by which messages are stored. */
  duplexStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    metadata: Metadata,
    { onReply, onEnd }: DuplexListener<O>,
  ): DuplexStream<I> {
    const call = this.#client.makeBidiStreamRequest<MessageInitShape<I>, MessageShape<O>>(
      pathOf(method),
      this.#serializerOf(method.input),
      decoderOf(method.output),
      metadata,
    );
    call.on('data', onReply);
    call.on('error', (error) => onEnd(this.#failureOf(error, call, true)));
    call.on('status', ({ code }) => {
      if (code === status.OK) onEnd(undefined);
    });
    return call;
  }

  close(): void {
    this.#client.close();
  }

  /** grpc-js keeps the bytes until they are sent. */
  #serializerOf<I extends DescMessage>(input: I): (request: MessageInitShape<I>) => Buffer {
    const encode = encoderOf(input, this.#writer);
    return (request) => Buffer.from(encode(request));
  }

  /** A call that was given no connection has no peer: grpc-js names its target then. */
  #failureOf(error: unknown, call: SurfaceCall, isSend: boolean): MQError {
    const wasSent = call.getPeer() !== this.#client.getChannel().getTarget();
    return fromServiceError(error, { address: this.address, wasSent, isSend });
  }
}

/** What calls of all kinds have. */
type SurfaceCall = Pick<ClientUnaryCall, 'getPeer'>;

function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}
