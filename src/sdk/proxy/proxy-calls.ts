import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { Metadata } from '@grpc/grpc-js';
import type { CallOptions } from '../message.ts';
import { MQError } from '../mq-error.ts';
import type { Choice, ProxyChannels } from './proxy-channels.ts';

/** A bearer token, or who gives it; asked for each call, so that it may change. */
export type Token = string | (() => string | Promise<string>);

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
    const metadata = await this.metadata();
    return this.channels.unary(method, request, { endsAtMs, signal, metadata, isSend }, choice);
  }

  /** Who calls. @throws MQError UNAUTHENTICATED when the token cannot be had. */
  async metadata(): Promise<Metadata> {
    const metadata = new Metadata();
    if (this.#token === undefined) return metadata;
    try {
      const token = typeof this.#token === 'string' ? this.#token : await this.#token();
      metadata.set('authorization', `Bearer ${token}`);
    } catch (cause) {
      throw new MQError(
        'UNAUTHENTICATED',
        'TOKEN_REFUSED',
        'the token could not be had from the function given',
        cause,
      );
    }
    return metadata;
  }
}
