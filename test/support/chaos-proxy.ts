import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** What a network does to bytes. */
export interface Weather {
  /** Every chunk waits this long, in ms. Default: 0. */
  readonly delayMs: number;
  /** And up to this much longer, in ms; chunks of a direction stay in order. Default: 0. */
  readonly jitterMs: number;
  /** Larger chunks go on in pieces of 1 to so many bytes. Default: as they come. */
  readonly chunkBytesMax: number;
  /** Bytes that leave in a second, for each direction of a connection. Default: all there are. */
  readonly bytesPerSecond: number;
  /** Chance that a chunk is lost and its connection reset, from 0 to 1. Default: 0. */
  readonly cutChance: number;
  /** Chance that a chunk is the last of its direction, whose other end then reads an end, from 0 to 1. Default: 0. */
  readonly halfCloseChance: number;
  /** Nothing gets through, neither bytes nor the end of a connection, and nobody is told. Default: false. */
  readonly blackHole: boolean;
  /** What the target says is held; what it is told gets through. Default: false. */
  readonly answersHeld: boolean;
}

export const fairWeather: Weather = {
  delayMs: 0,
  jitterMs: 0,
  chunkBytesMax: Number.POSITIVE_INFINITY,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  cutChance: 0,
  halfCloseChance: 0,
  blackHole: false,
  answersHeld: false,
};

/** Bytes that a direction holds before it stops reading. */
const heldBytesMax = 262_144;

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A TCP proxy on the loopback interface that does to connections what bad networks do. */
export class ChaosProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #random: () => number;
  #weather: Weather = fairWeather;
  #acceptedCount = 0;
  #refusing = false;

  private constructor(server: Server, seed: number) {
    this.#server = server;
    this.#random = seededRandom(seed);
  }

  /** @param target `host:port`. */
  static async start(target: string, seed = 1): Promise<ChaosProxy> {
    // Each end is ended by its own hand.
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const proxy = new ChaosProxy(server, seed);
    server.on('connection', (socket) => proxy.#accept(socket, target));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections that were made so far. */
  get acceptedCount(): number {
    return this.#acceptedCount;
  }

  get weather(): Weather {
    return this.#weather;
  }

  /** From now on; what is not named is fair. */
  set weather(changes: Partial<Weather>) {
    this.#weather = { ...fairWeather, ...changes };
    for (const link of this.#links) link.wake();
  }

  /** Resets all connections, as a process that dies. */
  cutAll(): void {
    for (const link of this.#links) link.cut();
  }

  /** Resets all connections, and each new one until `refuse(false)`. */
  refuse(refusing = true): void {
    this.#refusing = refusing;
    if (refusing) this.cutAll();
  }

  async close(): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(near: Socket, target: string): void {
    this.#acceptedCount += 1;
    near.on('error', () => {});
    if (this.#refusing) {
      near.resetAndDestroy();
      return;
    }
    const link = new Link(near, target, {
      weather: () => this.#weather,
      random: this.#random,
      onEnd: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}

interface Conditions {
  readonly weather: () => Weather;
  readonly random: () => number;
  readonly onEnd: () => void;
}

/** One connection of a client, and ours to the target. */
class Link {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #directions: readonly Direction[];
  readonly #onEnd: () => void;

  constructor(near: Socket, target: string, conditions: Conditions) {
    const [host = '', port = ''] = target.split(':');
    this.#near = near;
    this.#far = createConnection({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
    this.#onEnd = conditions.onEnd;
    const cut = (): void => this.cut();
    this.#directions = [
      new Direction(near, this.#far, conditions, cut),
      new Direction(this.#far, near, { ...conditions, weather: () => ofAnswers(conditions.weather()) }, cut),
    ];
  }

  wake(): void {
    for (const direction of this.#directions) direction.wake();
  }

  cut(): void {
    for (const direction of this.#directions) direction.stop();
    for (const socket of [this.#near, this.#far]) if (!socket.destroyed) socket.resetAndDestroy();
    this.#onEnd();
  }
}

/** The weather in the direction of answers. */
function ofAnswers(weather: Weather): Weather {
  return weather.answersHeld ? { ...weather, blackHole: true } : weather;
}

interface HeldChunk {
  /** Undefined: the end. */
  readonly bytes: Buffer | undefined;
  readonly dueAtMs: number;
}

/** The bytes of one direction, in order, each held until its time. */
class Direction {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #conditions: Conditions;
  readonly #cut: () => void;
  readonly #held: HeldChunk[] = [];
  #heldBytes = 0;
  #lastDueAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(from: Socket, to: Socket, conditions: Conditions, cut: () => void) {
    this.#from = from;
    this.#to = to;
    this.#conditions = conditions;
    this.#cut = cut;
    from.on('data', (chunk: Buffer) => this.#take(chunk));
    from.on('end', () => this.#hold(undefined, 0));
    // A reset is not passed on through a black hole.
    from.on('error', () => (conditions.weather().blackHole ? this.#hold(undefined, 0) : cut()));
    from.on('close', () => this.#hold(undefined, 0));
  }

  wake(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pass();
  }

  stop(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #take(chunk: Buffer): void {
    const { weather, random } = this.#conditions;
    const { cutChance, halfCloseChance, chunkBytesMax, blackHole } = weather();
    if (!blackHole && random() < cutChance) {
      this.#cut();
      return;
    }
    for (let start = 0; start < chunk.length; ) {
      const size = Math.min(chunk.length - start, Math.max(1, Math.ceil(random() * chunkBytesMax)));
      this.#hold(chunk.subarray(start, start + size), size);
      start += size;
    }
    if (random() < halfCloseChance) this.#hold(undefined, 0);
    if (this.#heldBytes > heldBytesMax) this.#from.pause();
  }

  #hold(bytes: Buffer | undefined, size: number): void {
    const { weather, random } = this.#conditions;
    const { delayMs, jitterMs, bytesPerSecond } = weather();
    const nowMs = performance.now();
    const sentAtMs = Math.max(nowMs, this.#lastDueAtMs - delayMs) + (size / bytesPerSecond) * 1_000;
    this.#lastDueAtMs = Math.max(this.#lastDueAtMs, sentAtMs + delayMs + random() * jitterMs);
    this.#held.push({ bytes, dueAtMs: this.#lastDueAtMs });
    this.#heldBytes += size;
    this.#pass();
  }

  #pass(): void {
    if (this.#timer !== undefined || this.#ended || this.#conditions.weather().blackHole) return;
    for (;;) {
      const [first] = this.#held;
      if (first === undefined) break;
      const leftMs = first.dueAtMs - performance.now();
      if (leftMs > 0.5) {
        this.#timer = setTimeout(() => this.wake(), leftMs);
        break;
      }
      this.#held.shift();
      if (first.bytes === undefined) {
        this.#ended = true;
        this.#to.end();
        return;
      }
      this.#heldBytes -= first.bytes.length;
      if (!this.#to.destroyed) this.#to.write(first.bytes);
    }
    if (this.#heldBytes <= heldBytesMax && this.#from.isPaused()) this.#from.resume();
  }
}
