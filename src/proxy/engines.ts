import { Code } from '@connectrpc/connect';
import { ClusterClient } from '../client/client.ts';
import { vendorOf } from '../client/cluster/vendor.ts';
import { type ClientLog, type ClientOptions, clientDefaults, type Vendor } from '../client/options.ts';
import { TransactionOutcome } from '../remoting/requests/end-transaction.ts';
import { failure } from './rpc/failures.ts';

/** Clusters and credentials that may be in use at once. */
export const enginesMax = 1_024;
/** An engine that nobody used for this long is closed, in ms. */
export const engineIdleMs = 300_000;
/** The same while there is no room for another one, in ms: longer than a call takes by default. */
const crowdedIdleMs = 60_000;

/** What an engine belongs to. */
export interface EngineKey {
  /** Normalised endpoint. */
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
}

export interface EnginesOptions {
  readonly vendor: Vendor | 'auto';
  /** Throws when the endpoint is not allowed. */
  readonly checkEndpoint: (endpoint: string) => void;
  readonly brokerAllowed: ClientOptions['brokerAllowed'];
  readonly log: ClientLog;
  /** Changes of the client's defaults. */
  readonly client?: Partial<ClientOptions>;
}

interface Engine {
  readonly client: ClusterClient;
  usedAtMs: number;
  isClosed: boolean;
}

/** One client for each endpoint and credentials, shared by all sessions; made on first use, closed when idle. */
export class Engines {
  readonly #options: EnginesOptions;
  readonly #engines = new Map<string, Engine>();
  /** Those that are found again without their names: a session asks with each message. */
  readonly #found = new WeakMap<EngineKey, Engine>();
  #closed = false;

  constructor(options: EnginesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#engines.size;
  }

  /**
   * @throws ConnectError RESOURCE_EXHAUSTED when there are too many, UNAVAILABLE when the proxy is closing; PolicyError for an endpoint
   * that is not allowed: an id may come from an instance, or a time, with other settings.
   */
  get(key: EngineKey): ClusterClient {
    if (this.#closed) throw failure(Code.Unavailable, 'SHUTTING_DOWN', 'the proxy is shutting down');
    const found = this.#found.get(key);
    const engine = found === undefined || found.isClosed ? this.#find(key) : found;
    engine.usedAtMs = performance.now();
    return engine.client;
  }

  #find(key: EngineKey): Engine {
    const text = JSON.stringify([key.endpoint, key.accessKeyId, key.accessKeySecret]);
    const engine = this.#engines.get(text) ?? this.#create(text, key);
    this.#found.set(key, engine);
    return engine;
  }

  /** Closes what nobody used for a while. */
  sweep(nowMs: number = performance.now(), idleMs: number = engineIdleMs): void {
    for (const [key, engine] of this.#engines) {
      const { client, usedAtMs } = engine;
      if (nowMs - usedAtMs < idleMs || client.consumerCount > 0 || client.transactionGroups.count > 0) continue;
      this.#engines.delete(key);
      engine.isClosed = true;
      // It never fails, and there is nothing to wait for.
      void client.close();
    }
  }

  /** Resolves when all have given back the messages that they hold. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.#engines.values()].map(({ client }) => client.close());
    this.#engines.clear();
    await Promise.all(closed);
  }

  #create(text: string, key: EngineKey): Engine {
    const { checkEndpoint, brokerAllowed, log, client: changes } = this.#options;
    checkEndpoint(key.endpoint);
    if (this.#engines.size >= enginesMax) this.sweep(performance.now(), crowdedIdleMs);
    if (this.#engines.size >= enginesMax) {
      throw failure(
        Code.ResourceExhausted,
        'OVERLOADED',
        `this proxy serves ${enginesMax} endpoints and access keys already`,
      );
    }
    const { endpoint, accessKeyId: accessKey, accessKeySecret: secretKey } = key;
    const client = new ClusterClient(
      {
        ...clientDefaults,
        nameServers: endpoint.split(';'),
        credentials: accessKey === '' ? undefined : { accessKey, secretKey },
        vendor: vendorOf(endpoint, this.#options.vendor),
        brokerAllowed,
        log,
        // Whoever reads what the proxy sends may be of any age, and what it may send is measured as it is delivered.
        compression: { ...clientDefaults.compression, type: 'none' },
        ...changes,
      },
      // Of transactions that are not left pending, what is stored is committed.
      () => TransactionOutcome.COMMIT,
    );
    const engine = { client, usedAtMs: performance.now(), isClosed: false };
    this.#engines.set(text, engine);
    return engine;
  }
}
