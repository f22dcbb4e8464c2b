import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { type RunningBroker, startBroker } from '../../src/broker/broker.ts';
import type { BrokerOptions } from '../../src/broker/options.ts';
import { newTopic } from '../../src/broker/topics.ts';
import { startProxyHere } from '../support/proxy-here.ts';
import type { TestedProxy } from '../support/proxy-process.ts';

/** The embedded engine, and proxies in front of it, all in this process. */
export class WebStage {
  readonly #engine: RunningBroker;
  readonly #sealKey = randomBytes(32).toString('base64');
  readonly #proxies = new Set<TestedProxy>();
  #topicCount = 0;

  private constructor(engine: RunningBroker) {
    this.#engine = engine;
  }

  static async start(options: Partial<BrokerOptions> = {}): Promise<WebStage> {
    return new WebStage(await startBroker({ nameServerPort: 0, ...options }));
  }

  /** `host:port` of the name server. */
  get nameServer(): string {
    return this.#engine.nameServer;
  }

  /** A proxy of this engine, with the seal key of all others of it; it ends with the stage. */
  async startProxy(settings: Readonly<Record<string, string>> = {}): Promise<TestedProxy> {
    const own = { ROCKETMQ_ENDPOINT: this.nameServer, PROXY_SEAL_KEY: this.#sealKey };
    const proxy = await startProxyHere({ ...own, ...settings });
    this.#proxies.add(proxy);
    return proxy;
  }

  /** A topic that nobody has used. */
  async createTopic(queueCount = 4): Promise<string> {
    const { topics, state } = this.#engine.engine;
    this.#topicCount += 1;
    const topic = `topic-${this.#topicCount}`;
    await topics.put(newTopic(topic, queueCount), state);
    return topic;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#proxies].map((proxy) => proxy.stop()));
    await this.#engine.close();
  }
}

/** An address that stays while the proxy behind it changes, as behind a load balancer. */
export interface Front {
  /** `host:port`. */
  readonly address: string;
  /** Connections that were made so far. */
  readonly connectionCount: number;
  close(): void;
}

/** @param target tells `host:port` for each new connection; one that is refused there is closed. */
export async function startFront(target: () => string): Promise<Front> {
  const sockets = new Set<Socket>();
  let connectionCount = 0;
  const server = createServer({ noDelay: true }, (near) => {
    connectionCount += 1;
    const { hostname, port } = new URL(`http://${target()}`);
    const far = createConnection({ host: hostname, port: Number(port), noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get connectionCount() {
      return connectionCount;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
