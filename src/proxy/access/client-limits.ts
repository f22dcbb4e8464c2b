import { Code } from '@connectrpc/connect';
import type { Cancellation } from '../../basics/ending.ts';
import { pause } from '../../remoting/deadline.ts';
import { failure } from '../rpc/failures.ts';
import { streamEnding } from '../rpc/stream-ending.ts';

/** What one client may do: who has one token name, or, without tokens, who comes from one address. */
export interface ClientLimitSettings {
  /** Most calls at a time, streams not among them. */
  readonly clientCallsMax: number;
  /** Most streams at a time. */
  readonly clientStreamsMax: number;
  /** Most calls and streams begun in a second, of which as many may come at once; 0: any number. */
  readonly clientCallsPerSecond: number;
}

/**
 * How long after one refusal a client gets the next one, in ms: a refusal costs nearly as much as a call, and who tries again at once, or
 * has very many calls under way, must not keep the proxy busy with refusing them.
 */
export const refusalIntervalMs = 20;
/** Longest that a refusal is held back, in ms: few callers wait for longer. */
export const refusalHoldMsMax = 30_000;

export type CallKind = 'unary' | 'stream';

/** Resolves when the time is over or one of the signals is aborted; never fails. */
type Hold = (durationMs: number, signals: readonly Cancellation[]) => Promise<void>;

interface Client {
  callCount: number;
  streamCount: number;
  /** Calls that may begin now. */
  allowance: number;
  allowanceAtMs: number;
  /** When its latest refusal is, or was, given. */
  refusedAtMs: number;
}

/** Keeps one client from taking the proxy from all others. Holds nothing for clients without a call once their allowance is full again. */
export class ClientLimits {
  readonly #settings: ClientLimitSettings;
  readonly #draining: Cancellation;
  readonly #now: () => number;
  readonly #hold: Hold;
  readonly #clients = new Map<string, Client>();

  /**
   * @param draining aborted when the proxy shuts down, which waits for no refusal.
   * @param now a clock in ms that is never set back.
   */
  constructor(
    settings: ClientLimitSettings,
    draining: Cancellation,
    now: () => number = () => performance.now(),
    hold: Hold = holdBack,
  ) {
    this.#settings = settings;
    this.#draining = draining;
    this.#now = now;
    this.#hold = hold;
  }

  /** Clients that are remembered. */
  get clientCount(): number {
    return this.#clients.size;
  }

  /**
   * A call begins.
   * @returns to be called once when it ends.
   * @throws ConnectError RESOURCE_EXHAUSTED; after a while where the client was just refused.
   */
  async enter(client: string, kind: CallKind, signal: Cancellation): Promise<() => void> {
    const leave = this.tryEnter(client, kind);
    if (leave !== undefined) return leave;
    // Whoever has gone needs no answer.
    await this.#hold(this.#untilRefusal(client), [signal, this.#draining]);
    throw failure(
      Code.ResourceExhausted,
      'OVERLOADED',
      'this client has as many calls, streams or calls in a second as one may have here: wait and try again',
    );
  }

  /** Forgets clients without a call. To be called once in a while. */
  sweep(): void {
    for (const [name, client] of this.#clients) {
      this.#refill(client);
      const isFull = client.allowance >= this.#settings.clientCallsPerSecond;
      const isRefused = client.refusedAtMs > this.#now();
      if (client.callCount === 0 && client.streamCount === 0 && isFull && !isRefused) this.#clients.delete(name);
    }
  }

  /** How long the next refusal of a client is held back, in ms. */
  #untilRefusal(name: string): number {
    const client = this.#clientOf(name);
    const nowMs = this.#now();
    const atMs = Math.max(nowMs, client.refusedAtMs + refusalIntervalMs);
    client.refusedAtMs = Math.min(atMs, nowMs + refusalHoldMsMax);
    return client.refusedAtMs - nowMs;
  }

  /** As `enter`, for a client that is within its limits; undefined for one that is not. */
  tryEnter(name: string, kind: CallKind): (() => void) | undefined {
    const { clientCallsMax, clientStreamsMax, clientCallsPerSecond } = this.#settings;
    const client = this.#clientOf(name);
    if (clientCallsPerSecond > 0) {
      this.#refill(client);
      if (client.allowance < 1) return undefined;
    }
    const isFull = kind === 'stream' ? client.streamCount >= clientStreamsMax : client.callCount >= clientCallsMax;
    if (isFull) return undefined;
    client.allowance -= 1;
    count(client, kind, 1);
    return () => count(client, kind, -1);
  }

  #clientOf(name: string): Client {
    const known = this.#clients.get(name);
    if (known !== undefined) return known;
    const { clientCallsPerSecond: allowance } = this.#settings;
    const client = {
      callCount: 0,
      streamCount: 0,
      allowance,
      allowanceAtMs: this.#now(),
      refusedAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#clients.set(name, client);
    return client;
  }

  #refill(client: Client): void {
    const { clientCallsPerSecond } = this.#settings;
    const nowMs = this.#now();
    const earned = ((nowMs - client.allowanceAtMs) / 1_000) * clientCallsPerSecond;
    client.allowance = Math.min(clientCallsPerSecond, Math.max(0, client.allowance) + earned);
    client.allowanceAtMs = nowMs;
  }
}

async function holdBack(durationMs: number, signals: readonly Cancellation[]): Promise<void> {
  if (durationMs <= 0) return;
  const { signal, end } = streamEnding(signals);
  await pause(durationMs, signal);
  end();
}

function count(client: Client, kind: CallKind, change: number): void {
  if (kind === 'stream') client.streamCount += change;
  else client.callCount += change;
}
