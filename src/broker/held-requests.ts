/** A connection, as far as it matters here. */
export interface HeldFor {
  readonly closed: Promise<unknown>;
}

/** A request that waits for messages. */
export interface HeldRequest {
  /** Whom the answer is for: when it is gone, nobody waits any more. */
  readonly client?: HeldFor;
  /** Looks again; true when the request was answered and is to be held no longer. Must not throw. */
  tryAgain(): boolean;
  /** The time is over, its client is gone, or the engine closes: answers that there is nothing. */
  giveUp(): void;
}

interface Held {
  readonly request: HeldRequest;
  readonly topics: readonly string[];
  readonly timer: NodeJS.Timeout;
}

/**
 * The long polls of all clients, by topic. Each ends on time by a timer of its own, in real time, since its client's patience is; a new
 * message, or one that is visible again, wakes all that wait for its topic.
 */
export class HeldRequests {
  readonly #countMax: number;
  readonly #byTopic = new Map<string, Set<Held>>();
  readonly #byClient = new Map<HeldFor, Set<Held>>();
  /** Clients whose end is waited for: once for each, however often it asks. */
  readonly #watched = new WeakSet<HeldFor>();
  #count = 0;
  #wakeCount = 0;
  #closed = false;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get count(): number {
    return this.#count;
  }

  /** How often something new came: what one request finds out while all are tried is true for the others. */
  get wakeCount(): number {
    return this.#wakeCount;
  }

  /** Holds a request; false when too many are held already, or the engine closes. */
  hold(request: HeldRequest, topics: readonly string[], durationMs: number): boolean {
    if (this.#closed || this.#count >= this.#countMax) return false;
    const timer = setTimeout(() => {
      this.#release(held);
      request.giveUp();
    }, durationMs);
    const held: Held = { request, topics, timer };
    this.#count += 1;
    for (const topic of topics) add(this.#byTopic, topic, held);
    if (request.client !== undefined) {
      add(this.#byClient, request.client, held);
      this.#watch(request.client);
    }
    return true;
  }

  /** A topic has something new. */
  wake(topic: string): void {
    const waiting = this.#byTopic.get(topic);
    if (waiting === undefined) return;
    this.#wakeCount += 1;
    this.#tryAgain(waiting);
  }

  /** A client takes answers again: what came while it took none was kept from it. */
  wakeClient(client: HeldFor): void {
    const waiting = this.#byClient.get(client);
    if (waiting !== undefined) this.#tryAgain(waiting);
  }

  /** Ends all of them, and holds no more. */
  close(): void {
    this.#closed = true;
    this.#giveUp(new Set([...this.#byTopic.values()].flatMap((waiting) => [...waiting])));
  }

  #tryAgain(waiting: ReadonlySet<Held>): void {
    for (const held of [...waiting]) {
      if (waiting.has(held) && held.request.tryAgain()) this.#release(held);
    }
  }

  #giveUp(all: Iterable<Held>): void {
    for (const held of all) {
      this.#release(held);
      held.request.giveUp();
    }
  }

  #watch(client: HeldFor): void {
    if (this.#watched.has(client)) return;
    this.#watched.add(client);
    void client.closed.then(() => this.#giveUp([...(this.#byClient.get(client) ?? [])]));
  }

  #release(held: Held): void {
    clearTimeout(held.timer);
    this.#count -= 1;
    for (const topic of held.topics) take(this.#byTopic, topic, held);
    if (held.request.client !== undefined) take(this.#byClient, held.request.client, held);
  }
}

function add<K>(index: Map<K, Set<Held>>, key: K, held: Held): void {
  const some = index.get(key);
  if (some === undefined) index.set(key, new Set([held]));
  else some.add(held);
}

function take<K>(index: Map<K, Set<Held>>, key: K, held: Held): void {
  const some = index.get(key);
  some?.delete(held);
  if (some?.size === 0) index.delete(key);
}
