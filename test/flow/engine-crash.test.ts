import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterClient } from '../../src/client/client.ts';
import { parseTagFilter } from '../../src/client/message-filter.ts';
import { freePort } from '../rocketmq/ports.ts';
import { Changes } from '../support/changes.ts';
import { outgoing, RealClients, soon } from '../support/real-client.ts';
import { CompiledServer, type ServerProcess } from '../support/server-process.ts';

/** CI does as many as the promise says. */
const rounds = process.env['CI'] === 'true' ? 20 : 4;
const senderCount = 32;
const sendsPerRound = 500;
const topic = 'crash';

let server: CompiledServer;
let directory: string;

beforeAll(() => {
  server = new CompiledServer();
  directory = mkdtempSync(join(tmpdir(), 'engine-crash-'));
});

afterAll(() => {
  server.remove();
  rmSync(directory, { recursive: true });
});

const title = `nothing that was acknowledged is lost or comes again in ${rounds} rounds of kill -9 under load`;
test(title, { timeout: 600_000 }, async () => {
  const settings = {
    PROXY_EMBEDDED: 'on',
    PROXY_DATA_DIR: directory,
    PROXY_REMOTING_PORT: String(await freePort()),
    PROXY_BROKER_PORT: String(await freePort()),
  };
  const start = async (): Promise<ServerProcess> => {
    const engine = server.start(settings);
    await engine.logged('the embedded engine serves');
    return engine;
  };
  let engine = await start();
  const clients = new RealClients(`127.0.0.1:${settings.PROXY_REMOTING_PORT}`);
  // One try for each message: what comes twice then was delivered twice.
  const client = clients.create({ sendAttemptsMax: 1 });
  const history = new History();
  const senders = new Senders(async (body) => {
    await client.producer.send(outgoing(topic, body), soon());
    history.sent(body);
  });
  const consuming = new AbortController();
  const consumed = consume(client, history, consuming.signal);
  senders.start();
  for (let round = 0; round < rounds; round += 1) {
    await history.until(({ stored }) => stored.size >= (round + 1) * sendsPerRound);
    engine.kill('SIGKILL');
    await engine.exited;
    engine = await start();
  }
  await senders.stop();
  await history.until(({ missing }) => missing.length === 0);
  consuming.abort();
  await consumed;
  await clients.close();
  expect(history.missing).toEqual([]);
  expect(history.again).toEqual([]);
});

/** What was stored, received and acknowledged, as the client was told. */
class History {
  readonly stored = new Set<string>();
  readonly #received = new Set<string>();
  readonly #acknowledged = new Set<string>();
  /** Received again after an ack that was answered in time. */
  readonly again: string[] = [];
  readonly #changes = new Changes();

  get missing(): string[] {
    return [...this.stored].filter((body) => !this.#received.has(body));
  }

  sent(body: string): void {
    this.stored.add(body);
    this.#changes.notify();
  }

  received(body: string): void {
    if (this.#acknowledged.has(body)) this.again.push(body);
    this.#received.add(body);
    this.#changes.notify();
  }

  acknowledged(body: string): void {
    this.#acknowledged.add(body);
  }

  until(happened: (history: History) => boolean): Promise<true> {
    const read = (): true | undefined => (happened(this) ? true : undefined);
    return this.#changes.until(
      read,
      60_000,
      () => `${this.stored.size} stored, ${this.missing.length} of them missing`,
    );
  }
}

async function consume(client: ClusterClient, history: History, signal: AbortSignal): Promise<void> {
  const consumer = client.popConsumer({
    subscriber: { group: 'crash-readers', topic },
    filter: parseTagFilter('*'),
    // What was on its way when the engine was killed comes again after this.
    invisibleDurationMs: 3_000,
    renewalDurationMs: 0,
    pollDurationMs: 1_000,
  });
  await consumer.open(soon());
  for await (const { body, receipt } of consumer.stream({ messagesMax: 1_000, signal })) {
    const text = body.toString();
    history.received(text);
    consumer.ack(receipt, soon()).then(
      () => {
        // Said later, it may be delivered already: it was not invisible any more.
        if (Date.now() < receipt.popTimeMs + receipt.invisibleDurationMs) history.acknowledged(text);
      },
      // Nobody said that it is acknowledged: it may come again.
      () => {},
    );
  }
  await consumer.close();
}

/** Sends numbered messages, so many at a time; one that fails is not sent again. */
class Senders {
  readonly #send: (body: string) => Promise<void>;
  #next = 0;
  #running: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(send: (body: string) => Promise<void>) {
    this.#send = send;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: senderCount }, () => this.#work()));
  }

  stop(): Promise<unknown> {
    this.#stopped = true;
    return this.#running;
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.#next += 1;
      // A broker that is away is asked again a little later.
      await this.#send(`message ${this.#next}`).catch(() => sleep(20));
    }
  }
}
