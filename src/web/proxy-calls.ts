import { type Client, type CallOptions as ConnectCallOptions, createClient, type Transport } from '@connectrpc/connect';
import { RocketMQProxy } from '../gen/rocketmq/rocketmq_pb.ts';
import type { Token } from './api.ts';
import { MQError, toMQError } from './errors.ts';
import { type CallOptions, runInTime, type Scope } from './scope.ts';

/** The calls of the API. */
export type ProxyClient = Client<typeof RocketMQProxy>;

export interface ProxyCallsOptions {
  readonly transport: Transport;
  /** For messages of errors. */
  readonly baseUrl: string;
  readonly token: Token | undefined;
  /** Of a call that does not say it, in ms. */
  readonly timeoutMs: number;
}

/** How this client calls the proxy: each call has a time, a token, and fails with an `MQError`. */
export class ProxyCalls {
  readonly #options: ProxyCallsOptions;
  readonly #client: ProxyClient;
  /** What ends each call under way. A set, since one signal with thousands of listeners looks like a leak. */
  readonly #ends = new Set<() => void>();
  #isClosed = false;

  constructor(options: ProxyCallsOptions) {
    this.#options = options;
    this.#client = createClient(RocketMQProxy, options.transport);
  }

  /** Ends all that is under way, and all that comes, with `CLOSED`. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#ends) end();
  }

  /** Whether a token that was refused may be followed by another. */
  get tokenCanChange(): boolean {
    return typeof this.#options.token === 'function';
  }

  /** Does what a user called for within its time. @throws MQError */
  inTime<T>(call: CallOptions, work: (scope: Scope) => Promise<T>): Promise<T> {
    return runInTime(call, { timeoutMs: this.#options.timeoutMs, onClose: (end) => this.#onClose(end) }, work);
  }

  /** One call of the proxy. Where the token was refused and there is another by now, the call is made with that. @throws MQError */
  async unary<T>(scope: Scope, call: (client: ProxyClient, options: ConnectCallOptions) => Promise<T>): Promise<T> {
    const token = await this.#token();
    try {
      return await this.#unary(scope, token, call);
    } catch (error) {
      const isRefused = error instanceof MQError && error.code === 'UNAUTHENTICATED';
      const another = isRefused && this.tokenCanChange ? await this.#token() : token;
      if (another === token) throw error;
      return await this.#unary(scope, another, call);
    }
  }

  /** A stream of the proxy, which ends when the signal is aborted. @throws MQError */
  async *stream<T>(
    signal: AbortSignal,
    open: (client: ProxyClient, options: ConnectCallOptions) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    try {
      const token = await this.inTime({ signal }, () => this.#token());
      yield* open(this.#client, { signal, headers: headersOf(token) });
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #onClose(end: () => void): () => void {
    if (this.#isClosed) end();
    this.#ends.add(end);
    return () => this.#ends.delete(end);
  }

  async #unary<T>(
    { signal, remainingMs }: Scope,
    token: string | undefined,
    call: (client: ProxyClient, options: ConnectCallOptions) => Promise<T>,
  ): Promise<T> {
    try {
      return await call(this.#client, { signal, timeoutMs: remainingMs(), headers: headersOf(token) });
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #token(): Promise<string | undefined> {
    const { token } = this.#options;
    if (typeof token !== 'function') return token;
    try {
      return await token();
    } catch (error) {
      throw new MQError('UNAUTHENTICATED', 'TOKEN_REFUSED', 'the function that gives the token failed', {
        cause: error,
      });
    }
  }

  #failed(error: unknown): MQError {
    return toMQError(error, this.#options.baseUrl);
  }
}

function headersOf(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}
