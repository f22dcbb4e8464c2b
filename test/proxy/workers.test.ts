import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { ProxyClient } from '../support/grpc-client.ts';
import { CompiledServer, type ServerProcess } from '../support/server-process.ts';

const compiled = new CompiledServer();
afterAll(() => compiled.remove());

/** Two workers in front of an engine, on any ports. */
function startWorkers(environment: Readonly<Record<string, string>> = {}): ServerProcess {
  return compiled.start({ PROXY_WORKERS: '2', PROXY_EMBEDDED: 'on', PROXY_REMOTING_PORT: '0', ...environment });
}

function clientOf(port: number): ProxyClient {
  const client = new ProxyClient(`127.0.0.1:${port}`);
  onTestFinished(() => client.close());
  return client;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
}

describe('workers', { timeout: 90_000 }, () => {
  it('serve one port, know each other’s ids, and settle what another one handed out', async () => {
    const server = startWorkers();
    const { port, statusUrl } = await server.serves();
    // Connections go to the workers in turn.
    const [one, other] = [clientOf(port), clientOf(port)];
    const producerId = await one.createProducer('topic');
    const consumerId = await one.createConsumer('topic', 'g');
    for (const client of [one, other]) await client.send('SendMessage', { producer_id: producerId, message_body: 'x' });
    const stream = one.receive(consumerId);
    const messages = await stream.take(2);
    for (const message of messages) await other.ack(consumerId, message);
    for (const message of messages) await one.ack(consumerId, message);
    stream.cancel();
    await other.send('SendMessage', { producer_id: producerId, message_body: 'next' });
    const [next] = await other.receive(consumerId).take(1);
    expect(next?.message_body).toBe('next');
    expect(await (await fetch(`${statusUrl}/metrics`)).json()).toMatchObject({
      active_connections: 2,
      messages_sent: 3,
      messages_received: 3,
    });
    expect(await (await fetch(`${statusUrl}/metrics?format=prometheus`)).text()).toContain('_messages_sent_total 3\n');
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(server.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('are replaced when they end, and ids outlive them', async () => {
    const server = startWorkers();
    const { port, statusUrl } = await server.serves();
    const producerId = await clientOf(port).createProducer('topic');
    const killed = childrenOf(server.pid);
    for (const pid of killed) process.kill(pid, 'SIGKILL');
    await server.logged('a new worker serves');
    await expect
      .poll(() => server.log.filter(({ message }) => message === 'a new worker serves').length, { timeout: 30_000 })
      .toBe(2);
    expect(
      server.log.filter(({ message }) => message === 'a worker has ended and is replaced').map(({ pid }) => pid),
    ).toEqual(expect.arrayContaining(killed));
    expect((await fetch(`${statusUrl}/readyz`)).status).toBe(200);
    await clientOf(port).send('SendMessage', { producer_id: producerId, message_body: 'x' });
    server.kill('SIGINT');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('use what changed in files of settings, also when a signal says so', async () => {
    const server = startWorkers();
    await server.serves();
    server.kill('SIGHUP');
    server.kill('SIGTERM');
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('do not start where one alone would not', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    for (const [environment, said] of [
      [{ GRPC_PORT: port }, `port ${port}: another program has this port; set GRPC_PORT`],
      [{ METRICS_PORT: port }, `port ${port}: another program has this port; set METRICS_PORT`],
      [{ PROXY_HOST: '0.0.0.0' }, 'PROXY_ALLOWED_ENDPOINTS'],
    ] as const) {
      const server = startWorkers(environment);
      expect(await server.exited).toEqual({ code: 1, signal: null });
      expect(server.errors).toContain(said);
      expect(server.errors).not.toMatch(/^\s+at /m);
    }
  });
});
