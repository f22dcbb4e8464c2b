import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { HeldRefusals, heldMax } from '../../../src/proxy/port/held-refusals.ts';
import { eventually, tcpClient } from '../../support/started-listener.ts';

/** A port whose connections are all refused. */
async function startRefusing(durationMs: number) {
  const refusals = new HeldRefusals(durationMs);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    refusals.hold(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    refusals.end();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { refusals, sockets, port: address.port };
}

it('holds a connection for a while before it closes it', async () => {
  const { refusals, port } = await startRefusing(200);
  const startMs = performance.now();
  const client = tcpClient(port);
  client.write('anything');
  client.resume();
  await once(client, 'close');
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(190);
  await eventually(() => refusals.count).toBe(0);
});

it('holds so many at a time, and closes more at once', async () => {
  const { refusals, sockets, port } = await startRefusing(60_000);
  const clients = Array.from({ length: heldMax }, () => tcpClient(port));
  await eventually(() => refusals.count).toBe(heldMax);
  const late = tcpClient(port);
  late.resume();
  await eventually(() => sockets.length).toBe(heldMax + 1);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([...clients.map(() => false), true]);
  for (const client of clients) client.destroy();
});

it('closes all when it is told to', async () => {
  const { refusals, sockets, port } = await startRefusing(60_000);
  const client = tcpClient(port);
  client.resume();
  await eventually(() => refusals.count).toBe(1);
  refusals.end();
  expect(sockets[0]?.destroyed).toBe(true);
  await once(client, 'close');
  await eventually(() => refusals.count).toBe(0);
});
