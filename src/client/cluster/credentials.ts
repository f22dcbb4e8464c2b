import { Deadline } from '../../remoting/deadline.ts';
import type { Credentials } from '../../remoting/signature.ts';
import { ClientError } from '../errors.ts';
import type { Vendor } from './vendor.ts';

/** Keys that end, with the token that proves them (STS). */
export interface TemporaryCredentials extends Credentials {
  /** When they end, in ms since 1970. */
  readonly expiresAtMs: number;
}

/** Gives the credentials of now; asked again before they end. The signal is aborted when nobody waits for it any more. */
export type CredentialsProvider = (signal: AbortSignal) => Promise<TemporaryCredentials>;

/** Longest that a provider may take, in ms. */
export const providerTimeoutMs = 10_000;
/** New credentials are asked for so long before the old ones end, in ms; for those of a short life, when half of it is over. */
export const refreshAheadMs = 300_000;
/** Pause before a provider that failed is asked again, in ms. */
export const providerPauseMs = 5_000;
/** So long whoever needs credentials is told of the last failure, in ms, and the provider is not asked once for each of them. */
export const failureHoldMs = 1_000;

/** Node's timers cannot wait longer; credentials that live longer are asked for earlier. */
const timerMsMax = 2 ** 31 - 1;

/** What Alibaba Cloud's own clients say of themselves by default (ONS `ChannelType`). */
const onsChannelDefault = 'ALIYUN';

export interface CredentialsKeeperOptions {
  /** None: requests are not signed. */
  readonly credentials?: Credentials | CredentialsProvider | undefined;
  readonly vendor: Vendor;
  readonly log: { warn(fields: object, message: string): void };
}

/** What requests of one client are signed with, kept up to date where it comes from a provider. */
export class CredentialsKeeper {
  readonly #options: CredentialsKeeperOptions;
  readonly #provide: CredentialsProvider | undefined;
  readonly #closing = new AbortController();
  #current: Credentials | undefined;
  #expiresAtMs = Number.POSITIVE_INFINITY;
  #failed: { readonly failure: ClientError; readonly untilMs: number } | undefined;
  #fetching: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CredentialsKeeperOptions) {
    this.#options = options;
    const { credentials } = options;
    if (typeof credentials === 'function') {
      this.#provide = credentials;
      this.#expiresAtMs = 0;
    } else {
      this.#current = this.#withChannel(credentials);
    }
  }

  /** Undefined where requests are not signed, and until the first `ready`. */
  get current(): Credentials | undefined {
    return this.#current;
  }

  /** True while there is nothing to wait for. */
  get isReady(): boolean {
    return Date.now() < this.#expiresAtMs;
  }

  /** Waits until there are credentials that hold. @throws ClientError `unauthenticated` when there are none to be had; RemotingError. */
  async ready(deadline: Deadline): Promise<void> {
    if (this.isReady) return;
    if (this.#failed !== undefined && Date.now() < this.#failed.untilMs) throw this.#failed.failure;
    await deadline.wait(this.#fetch(), 'waiting for credentials');
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
  }

  /** Shared by all who wait. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#ask().finally(() => {
      this.#fetching = undefined;
    });
    // Every waiter may have left by the time it fails.
    this.#fetching.catch(() => {});
    return this.#fetching;
  }

  async #ask(): Promise<void> {
    const asking = new AbortController();
    try {
      const given = this.#provide?.(asking.signal) ?? Promise.reject(new Error('there is no provider'));
      const deadline = Deadline.after(providerTimeoutMs, this.#closing.signal);
      const { expiresAtMs, ...credentials } = await deadline.wait(given, 'asking the credentials provider');
      if (!(expiresAtMs > Date.now())) throw new Error('the credentials have expired already');
      this.#current = this.#withChannel(credentials);
      this.#expiresAtMs = expiresAtMs;
      const lifeMs = expiresAtMs - Date.now();
      this.#again(lifeMs - Math.min(refreshAheadMs, lifeMs / 2));
    } catch (cause) {
      this.#again(providerPauseMs);
      const failure = new ClientError('unauthenticated', 'the provider gave no credentials that hold', cause);
      this.#failed = { failure, untilMs: Date.now() + failureHoldMs };
      throw failure;
    } finally {
      asking.abort();
    }
  }

  /** Those in use stay while no newer ones are to be had. */
  #again(inMs: number): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#fetch().catch((err: unknown) => {
          this.#options.log.warn({ err }, 'credentials could not be refreshed; trying again');
        });
      },
      Math.min(inMs, timerMsMax),
    ).unref();
  }

  #withChannel(credentials: Credentials | undefined): Credentials | undefined {
    if (credentials === undefined || this.#options.vendor !== 'aliyun') return credentials;
    return { onsChannel: onsChannelDefault, ...credentials };
  }
}
