import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { Metadata } from '@grpc/grpc-js';
import type { CallOptions } from '../message.ts';
import type { Choice, ProxyChannels } from './proxy-channels.ts';
import { type Token, type TokenWait, tokenOf } from './token.ts';

/** How one call of the SDK differs. */
export interface ProxyCall extends Choice {
  readonly call: CallOptions;
  /** Whether it stores messages. */
  readonly isSend?: boolean;
}

/** What producers and consumers call proxies by: their connections, who calls, and for how long. */
export class ProxyCalls {
  readonly channels: ProxyChannels;
  readonly timeoutMs: number;
  readonly #token: Token | undefined;

  constructor(channels: ProxyChannels, timeoutMs: number, token: Token | undefined) {
    this.channels = channels;
    this.timeoutMs = timeoutMs;
    this.#token = token;
  }

  /** @throws MQError. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { call: { timeoutMs = this.timeoutMs, signal }, isSend = false, ...choice }: ProxyCall,
  ): Promise<MessageShape<O>> {
    const endsAtMs = Date.now() + timeoutMs;
    const metadata = await this.metadata({ endsAtMs, signal });
    return this.channels.unary(method, request, { endsAtMs, signal, metadata, isSend }, choice);
  }

  /** The same call to every proxy. @throws MQError as `ProxyChannels.all`. */
  async unaryAtAll<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { timeoutMs = this.timeoutMs, signal }: CallOptions,
  ): Promise<MessageShape<O>[]> {
    const endsAtMs = Date.now() + timeoutMs;
    const metadata = await this.metadata({ endsAtMs, signal });
    return this.channels.all((channel) => channel.unary(method, request, { endsAtMs, signal, metadata }));
  }

  /** Who calls. @param wait for the token; default: the client's time. @throws MQError as `tokenOf`. */
  async metadata({ signal, endsAtMs = Date.now() + this.timeoutMs }: Partial<TokenWait>): Promise<Metadata> {
    const metadata = new Metadata();
    if (this.#token === undefined) return metadata;
    metadata.set('authorization', `Bearer ${await tokenOf(this.#token, { endsAtMs, signal })}`);
    return metadata;
  }
}
