import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { cancelledError, MQError } from '../mq-error.ts';
import type { CallContext, ProxyChannel } from './proxy-channel.ts';
import type { TokenWait } from './token.ts';

/** How one call chooses its proxy. */
export interface Choice {
  /** The proxy that it should go to while that is connected. */
  readonly preferred?: ProxyChannel | undefined;
  /** Whether it may be made a second time although the first one may have been served. */
  readonly repeatable?: boolean;
}

/** How long one wait for connections lasts before they are looked at again, in ms. */
const waitSliceMs = 1_000;

/** Several proxies that serve the same: calls go to those that are connected, in turn. */
export class ProxyChannels {
  readonly #channels: readonly ProxyChannel[];
  #turn = 0;

  /** @param channels at least one. */
  constructor(channels: readonly ProxyChannel[]) {
    this.#channels = channels;
    // Not everybody's first call goes to the proxy that is named first.
    this.#turn = Math.floor(Math.random() * channels.length);
  }

  /** A call by `at`. @throws MQError as `at`. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    context: CallContext,
    choice: Choice = {},
  ): Promise<MessageShape<O>> {
    return this.at((channel) => channel.unary(method, request, context), context, choice);
  }

  /**
   * Asks a proxy, and another one where the first is not there or says that it goes; what may have been served is asked for again only where
   * it is `repeatable`.
   * @throws MQError of `ask`; `PROXY_UNREACHABLE` when the last try to connect failed for each.
   */
  async at<T>(
    ask: (channel: ProxyChannel) => Promise<T>,
    wait: TokenWait,
    { preferred, repeatable = false }: Choice = {},
  ): Promise<T> {
    const failed = new Set<ProxyChannel>();
    for (let triesLeft = Math.max(2, this.#channels.length); ; triesLeft -= 1) {
      const channel = this.#connected(preferred, failed) ?? (await this.#connect(wait, failed));
      try {
        return await ask(channel);
      } catch (error) {
        if (triesLeft === 1 || !isWorthAnotherTry(error, repeatable)) throw error;
        failed.add(channel);
        if (failed.size === this.#channels.length) failed.clear();
      }
    }
  }

  /**
   * Asks every proxy; one that is not there, or goes, has nothing to say.
   * @throws MQError of one that failed otherwise; of any where none has answered.
   */
  async all<T>(ask: (channel: ProxyChannel) => Promise<T>): Promise<T[]> {
    const asked = await Promise.allSettled(this.#channels.map(ask));
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failures = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    const worst = failures.find((error) => !isWorthAnotherTry(error, false)) ?? failures[0];
    if (worst !== undefined && (answers.length === 0 || !isWorthAnotherTry(worst, false))) throw worst;
    return answers;
  }

  /** The next proxy that is connected; waits for one as long as it takes. @throws MQError CANCELLED. */
  async whenConnected(signal: AbortSignal): Promise<ProxyChannel> {
    for (;;) {
      if (signal.aborted) throw cancelledError(signal);
      const channel = this.#connected(undefined, new Set());
      if (channel !== undefined) return channel;
      await changeOf(this.#channels, Date.now() + waitSliceMs, signal);
    }
  }

  close(): void {
    for (const channel of this.#channels) channel.close();
  }

  #connected(preferred: ProxyChannel | undefined, failed: ReadonlySet<ProxyChannel>): ProxyChannel | undefined {
    const isReady = (channel: ProxyChannel): boolean => channel.state === 'ready' && !failed.has(channel);
    if (preferred !== undefined && isReady(preferred)) return preferred;
    for (let step = 0; step < this.#channels.length; step += 1) {
      const channel = this.#channels[(this.#turn + step) % this.#channels.length];
      if (channel === undefined || !isReady(channel)) continue;
      this.#turn = (this.#turn + step + 1) % this.#channels.length;
      return channel;
    }
    return undefined;
  }

  /** Waits for a connection, while there is one that may be made. */
  async #connect({ endsAtMs, signal }: TokenWait, failed: ReadonlySet<ProxyChannel>): Promise<ProxyChannel> {
    for (;;) {
      if (signal?.aborted === true) throw cancelledError(signal);
      const channel = this.#connected(undefined, failed);
      if (channel !== undefined) return channel;
      const connecting = this.#channels.filter((one) => !failed.has(one) && one.state === 'connecting');
      const isLate = Date.now() >= endsAtMs;
      if (connecting.length === 0 || isLate) throw this.#unreachable(isLate);
      await changeOf(connecting, Math.min(endsAtMs, Date.now() + waitSliceMs), signal);
    }
  }

  #unreachable(isLate: boolean): MQError {
    const addresses = this.#channels.map(({ address }) => address).join(', ');
    const text = `no proxy answers at ${addresses}: is one running there, and is grpcEndpoint right?`;
    return new MQError(isLate ? 'DEADLINE_EXCEEDED' : 'UNAVAILABLE', 'PROXY_UNREACHABLE', text);
  }
}

/** A proxy that goes, and one that could not be reached, have done nothing. */
function isWorthAnotherTry(error: unknown, repeatable: boolean): boolean {
  if (!(error instanceof MQError) || error.code !== 'UNAVAILABLE') return false;
  if (['SHUTTING_DOWN', 'PROXY_UNREACHABLE'].includes(error.reason)) return true;
  return repeatable && error.reason === 'NO_ANSWER';
}

/** Resolves when one of them is connected otherwise than now, at the end of the time, or when the signal is aborted. */
function changeOf(channels: readonly ProxyChannel[], endsAtMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal?.removeEventListener('abort', done);
      resolve();
    };
    signal?.addEventListener('abort', done, { once: true });
    for (const channel of channels) channel.whenChanged(endsAtMs, done);
  });
}
