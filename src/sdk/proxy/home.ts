import type { DescMessage, DescMethodServerStreaming, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { MQError } from '../mq-error.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import type { ProxyChannel } from './proxy-channel.ts';
import { isUnknownId, type SessionId } from './session-id.ts';

/** What a stream is asked for, and read. */
export interface HomeStream<I extends DescMessage, O extends DescMessage, T> {
  readonly method: DescMethodServerStreaming<I, O>;
  readonly request: (id: string) => MessageInitShape<I>;
  readonly read: (message: MessageShape<O>) => T;
}

/** The proxy that one producer or consumer has its streams from: calls about what came by them go there, since others know less of it. */
export class Home {
  readonly #calls: ProxyCalls;
  readonly #session: SessionId;
  #channel: ProxyChannel | undefined;

  constructor(calls: ProxyCalls, session: SessionId) {
    this.#calls = calls;
    this.#session = session;
  }

  /** Undefined before the first stream, and where one broke. */
  get channel(): ProxyChannel | undefined {
    return this.#channel;
  }

  /** One stream. Returns when the proxy ends it or the signal is aborted. @throws MQError when it broke. */
  async *stream<I extends DescMessage, O extends DescMessage, T>(
    { method, request, read }: HomeStream<I, O, T>,
    signal: AbortSignal,
  ): AsyncGenerator<T> {
    const { id } = this.#session;
    try {
      const channel = await this.#connected(signal);
      const metadata = await this.#calls.metadata({ signal });
      for await (const message of channel.serverStream(method, request(id), metadata, signal)) yield read(message);
    } catch (error) {
      if (signal.aborted) return;
      this.#channel = undefined;
      if (!isUnknownId(error)) throw error;
      await this.#session.renew(id);
      throw new MQError('UNAVAILABLE', 'ID_NOT_FOUND', 'the proxy did not know the id, which was made anew', error);
    }
  }

  async #connected(signal: AbortSignal): Promise<ProxyChannel> {
    if (this.#channel?.state !== 'ready') this.#channel = await this.#calls.channels.whenConnected(signal);
    return this.#channel;
  }
}
