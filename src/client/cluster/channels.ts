import { LRUCache } from 'lru-cache';
import { type Channel, channelDefaults, type LivenessOptions } from '../../remoting/channel.ts';
import { type Command, Serialization } from '../../remoting/command.ts';
import { Deadline } from '../../remoting/deadline.ts';
import { dial } from '../../remoting/dial.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { encodeHeartbeat } from '../../remoting/requests/heartbeat.ts';
import { TurnEnd } from '../../remoting/turn-end.ts';
import { ClientError } from '../errors.ts';
import type { ConnectionOptions } from '../options.ts';
import { checkDenied } from './denied.ts';

/** How long an address that refused a connection is left alone, in ms: callers meanwhile fail at once, with the same cause. */
export const redialDelayMs = 250;

/** Servers remembered to take no binary headers, and for how long, in ms: one may have gone just as it was tried. */
const jsonServersMax = 4_096;
const jsonServerDurationMs = 600_000;

/** A server that owes an answer and is silent is asked for a sign of life after 2.25 s; where none comes in 3 s, it is gone. */
const liveness: LivenessOptions = {
  probeAfterMs: 2_250,
  probeTimeoutMs: 3_000,
  // Names no group, so it changes nothing; name servers, which have no heartbeats, say so.
  probe: () => encodeHeartbeat({ clientId: 'probe', producerGroups: [], consumers: [] }),
};

interface Refusal {
  readonly untilMs: number;
  readonly error: unknown;
}

/** One channel per server address, opened on first use, shared by all, opened again after it was lost. */
export class Channels {
  /** At its end leaves what was asked of all of them. */
  readonly turn = new TurnEnd();
  readonly #options: ConnectionOptions;
  readonly #onOpen: (channel: Channel) => void;
  readonly #open = new Map<string, Channel>();
  /** Those whose server said GO_AWAY, until they have answered all. */
  readonly #leaving = new Set<Channel>();
  readonly #opening = new Map<string, Promise<Channel>>();
  readonly #refused = new Map<string, Refusal>();
  /** Those that ended the connection rather than answer a binary header. */
  readonly #jsonServers = new LRUCache<string, true>({
    maxSize: jsonServersMax,
    sizeCalculation: () => 1,
    ttl: jsonServerDurationMs,
  });
  readonly #closing = new AbortController();

  /** @param onOpen called with every new channel before anybody else has it. */
  constructor(options: ConnectionOptions, onOpen: (channel: Channel) => void = () => {}) {
    this.#options = options;
    this.#onOpen = onOpen;
  }

  /** The channels that are open now. */
  get all(): readonly Channel[] {
    return [...this.#open.values()];
  }

  /**
   * The channel to `host:port`. What is asked on it fails as ClientError `unauthenticated` or `denied` where the server says so.
   * @throws RemotingError `connect` when there is none to be had, `timeout`, `cancelled`; ClientError `closed`, `unauthenticated`.
   */
  async get(address: string, deadline: Deadline): Promise<Channel> {
    if (this.#closing.signal.aborted) throw closedError();
    const { credentials } = this.#options;
    if (credentials?.isReady === false) await credentials.ready(deadline);
    const open = this.#open.get(address);
    if (open?.isOpen === true) return open;
    const refusal = this.#refused.get(address);
    if (refusal !== undefined && refusal.untilMs > performance.now()) {
      throw new RemotingError('connect', `cannot connect to ${address}: the last try failed just now`, {
        address,
        cause: refusal.error,
      });
    }
    return deadline.wait(this.#opening.get(address) ?? this.#dial(address), `connecting to ${address}`);
  }

  /** The channel to `host:port` that `get` would give at once; undefined where it would have to wait, or fail. */
  atHand(address: string): Channel | undefined {
    if (this.#closing.signal.aborted || this.#options.credentials?.isReady === false) return undefined;
    const open = this.#open.get(address);
    return open?.isOpen === true ? open : undefined;
  }

  /** Closes every channel; later calls fail. */
  close(): void {
    this.#closing.abort();
    for (const channel of [...this.#open.values(), ...this.#leaving]) channel.close();
  }

  #dial(address: string): Promise<Channel> {
    const { connectTimeoutMs, credentials } = this.#options;
    // Callers with different deadlines share it, so it has one of its own.
    const deadline = Deadline.after(connectTimeoutMs, this.#closing.signal);
    const options = {
      ...channelDefaults,
      ...this.#options,
      serialization: this.#serializationTo(address),
      credentials: () => credentials?.current,
      checkReply: (reply: Command, from: string) => checkDenied(reply, from, credentials?.current),
      liveness,
      turn: this.turn,
      successor: (leaving: Channel, within: Deadline) => this.#successor(leaving, within),
    };
    const opening = dial(address, options, deadline).then(
      (channel) => this.#opened(channel),
      (error: unknown) => {
        this.#opening.delete(address);
        if (this.#closing.signal.aborted) throw closedError(error);
        this.#refuse(address, error);
        throw error;
      },
    );
    this.#opening.set(address, opening);
    // Every waiter may have left by the time it fails.
    opening.catch(() => {});
    return opening;
  }

  #serializationTo(address: string): Serialization {
    const { serialization = Serialization.JSON } = this.#options;
    return this.#jsonServers.has(address) ? Serialization.JSON : serialization;
  }

  #successor(leaving: Channel, deadline: Deadline): Promise<Channel> {
    if (!this.#leaving.has(leaving)) void leaving.closed.then(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    return this.get(leaving.address, deadline);
  }

  #opened(channel: Channel): Channel {
    const { address } = channel;
    this.#opening.delete(address);
    this.#refused.delete(address);
    if (this.#closing.signal.aborted) {
      channel.close();
      throw closedError();
    }
    this.#open.set(address, channel);
    void channel.closed.then(() => {
      if (this.#open.get(address) === channel) this.#open.delete(address);
      if (channel.isBinaryUnproven) this.#jsonServers.set(address, true);
    });
    this.#onOpen(channel);
    return channel;
  }

  #refuse(address: string, error: unknown): void {
    const now = performance.now();
    for (const [other, { untilMs }] of this.#refused) if (untilMs <= now) this.#refused.delete(other);
    this.#refused.set(address, { untilMs: now + redialDelayMs, error });
  }
}

function closedError(cause?: unknown): ClientError {
  return new ClientError('closed', 'the client has been closed', cause);
}
