import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { it, onTestFinished } from 'vitest';
import { startTestEngine } from '../support/engine-client.ts';
import { ProxyClient } from '../support/grpc-client.ts';
import { slowOpenings } from '../support/http2-floods.ts';
import { startProxyProcess } from '../support/proxy-process.ts';
import { largest, percentile, Row } from './figures.ts';

/** A connection of which nobody reads, destroyed when the test ends. @returns it once it is accepted or refused. */
async function open(port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.resume();
  onTestFinished(() => void socket.destroy());
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
  return socket;
}

/** Whatever errors come before: writing to who has gone is one. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else {
      socket.once('close', () => resolve());
      socket.once('end', () => resolve());
    }
  });
}

it('R-42: 2,000 connections say nothing, or a byte in a second', async () => {
  const eachCount = 500;
  const proxy = await startProxyProcess({ PROXY_MAX_CONNECTIONS_PER_ADDRESS: '1000' });
  onTestFinished(() => proxy.stop());
  const port = Number(proxy.address.split(':')[1]);
  const row = new Row('R-42');
  const bounds = { nothing: 5, preface: 5, headers: 10, body: 30 };
  const lived = new Map<string, number[]>();
  const slow: { readonly socket: Socket; readonly rest: Buffer }[] = [];
  const ends: Promise<unknown>[] = [];
  let host = 2;
  for (const [kind, { said, rest }] of Object.entries(slowOpenings())) {
    const times: number[] = [];
    lived.set(kind, times);
    const localAddress = `127.0.0.${host++}`;
    const sockets = await Promise.all(Array.from({ length: eachCount }, () => open(port, localAddress)));
    const startMs = performance.now();
    for (const socket of sockets) {
      ends.push(closed(socket).then(() => times.push((performance.now() - startMs) / 1_000)));
      if (said.length > 0) socket.write(said);
      slow.push({ socket, rest });
    }
  }
  let second = 0;
  const drip = setInterval(() => {
    for (const { socket, rest } of slow)
      if (socket.writable && second < rest.length) socket.write(rest.subarray(second, second + 1));
    second += 1;
  }, 1_000);
  onTestFinished(() => clearInterval(drip));
  const opening: number[] = [];
  let isOver = false;
  const over = Promise.all(ends).then(() => {
    isOver = true;
  });
  while (!isOver) {
    const startMs = performance.now();
    const client = new ProxyClient(proxy.address);
    await client.call('HealthCheck', {});
    opening.push(performance.now() - startMs);
    client.close();
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  for (const [kind, bound] of Object.entries(bounds)) {
    const times = lived.get(kind) ?? [];
    row
      .exactly(`${kind}: connections closed`, times.length, eachCount)
      // A second for the sweep, one for the client to read why, and one for a busy machine.
      .atMost(`${kind}: longest until then`, largest(times), bound + 3, 's');
  }
  row.atMost('a new connection and its call, p50', percentile(opening, 50), 100, 'ms').judge();
});

it('R-43: more connections than files may be open', async () => {
  const fileCount = 700;
  const { nameServer } = await startTestEngine();
  const proxy = await startProxyProcess({ ROCKETMQ_ENDPOINT: nameServer }, [
    'prlimit',
    `--nofile=${fileCount}:${fileCount}`,
  ]);
  onTestFinished(() => proxy.stop());
  const port = Number(proxy.address.split(':')[1]);
  const honest = new ProxyClient(proxy.address);
  onTestFinished(() => honest.close());
  await honest.call('HealthCheck', {});
  const sockets = await Promise.all(
    Array.from({ length: 3_000 }, (_, index) => open(port, `127.0.0.${2 + (index % 20)}`)),
  );
  const opened = sockets.filter(({ readyState }) => readyState !== 'closed').length;
  // Routes and brokers are still to be connected to.
  const producer_id = await honest.createProducer('flooded');
  const reply = await honest.send('SendMessage', { producer_id, message_body: 'x' });
  const { refused_connections = 0, active_connections = 0 } = await proxy.metrics();
  for (const socket of sockets) socket.destroy();
  const startMs = performance.now();
  const late = new ProxyClient(proxy.address);
  onTestFinished(() => late.close());
  await late.call('HealthCheck', {});
  new Row('R-43')
    .tell('connections that clients hold', opened)
    .atMost('connections that the proxy has', active_connections, fileCount - 200)
    .tell('connections that it has refused by now', refused_connections)
    .exactly('messages sent meanwhile', reply.message_id === '' ? 0 : 1, 1)
    .tell('a new connection and its call afterwards', performance.now() - startMs, 'ms')
    .judge();
});
