import { isIPv6 } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answer, Command } from '../remoting/command.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Engine } from './engine.ts';
import { Listener } from './listener.ts';
import { type BrokerOptions, brokerDefaults } from './options.ts';
import { processorTables } from './processors/tables.ts';
import { type RunningEngine, startEngine } from './start-engine.ts';

/** A name server and a broker, each on its port, in this process. */
export interface RunningBroker {
  /** `host:port` of the name server: what clients are given. */
  readonly nameServer: string;
  /** `host:port` of the broker, as routes name it. */
  readonly brokerAddress: string;
  readonly engine: Engine;
  /**
   * Cuts all connections and is away for a while; what was stored is there again afterwards, on the same ports.
   * A second call begins when the first has ended; nothing comes back after `close`.
   * @param forget True: begins anew, with nothing; for an engine in memory only.
   */
  restart(downMs: number, forget?: boolean): Promise<void>;
  /** Ends both; a second call waits for the first. */
  close(): Promise<void>;
}

/**
 * Starts the engine. One node: production and scale stay with Apache RocketMQ.
 * @throws BrokerListenError; StoreError when the data folder cannot be used.
 */
export async function startBroker(given: Partial<BrokerOptions> = {}): Promise<RunningBroker> {
  const broker = new Broker({ ...brokerDefaults, ...given });
  await broker.start();
  return broker;
}

interface Ports {
  readonly nameServer: Listener;
  readonly broker: Listener;
}

class Broker implements RunningBroker {
  readonly #options: BrokerOptions;
  #ports: Ports | undefined;
  #running: RunningEngine | undefined;
  #dispatcher: Dispatcher | undefined;
  #restarted: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  get nameServer(): string {
    return `${this.#host}:${this.#open.nameServer.port}`;
  }

  get brokerAddress(): string {
    return `${this.#host}:${this.#open.broker.port}`;
  }

  get engine(): Engine {
    if (this.#running === undefined) throw new Error('the engine does not run');
    return this.#running.engine;
  }

  async start(): Promise<void> {
    const { nameServerPort, brokerPort } = this.#options;
    await this.#listen(nameServerPort, brokerPort);
    try {
      await this.#startEngine();
    } catch (error) {
      await this.#closePorts();
      throw error;
    }
  }

  restart(downMs: number, forget = false): Promise<void> {
    const restarted = this.#restarted.then(() => this.#restart(downMs, forget));
    this.#restarted = restarted.catch(() => {});
    return restarted;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #restart(downMs: number, forget: boolean): Promise<void> {
    const { nameServer, broker } = this.#open;
    await this.#closePorts();
    const { dataDirectory } = this.#options;
    if (forget || dataDirectory !== undefined) await this.#closeEngine();
    await new Promise((resolve) => setTimeout(resolve, downMs));
    if (this.#closed !== undefined) return;
    await this.#listen(nameServer.port, broker.port);
    if (this.#running === undefined) await this.#startEngine();
    // Who closed it meanwhile has not seen these.
    if (this.#closed !== undefined) await this.#close();
  }

  async #close(): Promise<void> {
    await this.#closeEngine();
    // What was answered last is on its way in the next turn.
    await nextTurn();
    await this.#closePorts();
  }

  async #listen(nameServerPort: number, brokerPort: number): Promise<void> {
    const { host, connectionCountMax, log } = this.#options;
    const onRequest = (request: Command, connection: ServerConnection) => this.#pass(request, connection);
    const onDrained = (connection: ServerConnection): void => this.#running?.engine.held.wakeClient(connection);
    const open = (port: number): Promise<Listener> =>
      Listener.open({ host, port, connectionCountMax, log, onRequest, onDrained });
    const nameServer = await open(nameServerPort);
    try {
      this.#ports = { nameServer, broker: await open(brokerPort) };
    } catch (error) {
      await nameServer.close();
      throw error;
    }
  }

  async #startEngine(): Promise<void> {
    const { port } = this.#open.broker;
    const storeHost = isIPv6(this.#options.host) && !this.#isOnAll ? this.#host : this.#ipv4Host;
    const running = await startEngine(this.#options, `${storeHost}:${port}`, (connection) =>
      this.#addressFor(connection),
    );
    this.#dispatcher = new Dispatcher(running.engine, processorTables);
    this.#running = running;
  }

  async #closeEngine(): Promise<void> {
    const running = this.#running;
    this.#dispatcher = undefined;
    this.#running = undefined;
    await running?.close();
  }

  async #closePorts(): Promise<void> {
    const ports = this.#ports;
    await Promise.all([ports?.nameServer.close(), ports?.broker.close()]);
  }

  /** Requests that come before the engine is ready, or while it ends, are asked to come again. */
  #pass(request: Command, connection: ServerConnection): Answer | undefined | Promise<Answer | undefined> {
    const dispatcher = this.#dispatcher;
    if (dispatcher === undefined) {
      return { code: ResponseCode.SERVICE_NOT_AVAILABLE, remark: 'the broker is starting or ending: try again' };
    }
    const { intercept } = this.#options;
    if (intercept === undefined) return dispatcher.dispatch(request, connection);
    return intercept(request, async () => dispatcher.dispatch(request, connection), connection);
  }

  get #open(): Ports {
    if (this.#ports === undefined) throw new Error('the engine does not listen');
    return this.#ports;
  }

  get #isOnAll(): boolean {
    return this.#options.host === '0.0.0.0' || this.#options.host === '::';
  }

  /** The host that is told to clients on this machine. */
  get #host(): string {
    const { host } = this.#options;
    if (this.#isOnAll) return '127.0.0.1';
    return isIPv6(host) ? `[${host}]` : host;
  }

  /** Records name an address, not a name. */
  get #ipv4Host(): string {
    return /^\d+\.\d+\.\d+\.\d+$/.test(this.#host) ? this.#host : '127.0.0.1';
  }

  /** Where a client reaches the broker: listening on all addresses, at the one by which it reached the name server. */
  #addressFor(connection: ServerConnection): string {
    if (!this.#isOnAll) return this.brokerAddress;
    return `${connection.local.replace(/:\d+$/, '')}:${this.#open.broker.port}`;
  }
}
