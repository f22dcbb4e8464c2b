import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { takeReads } from '../../src/http2/socket-reads.ts';
import { eventually } from '../support/started-listener.ts';

/** Both ends of a connection. */
async function socketPair(): Promise<{ readonly served: Socket; readonly client: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const client = connect({ port: address.port, host: '127.0.0.1', noDelay: true });
  const [served] = await once(server, 'connection');
  onTestFinished(() => {
    client.destroy();
    served.destroy();
    server.close();
  });
  return { served, client };
}

it('gives all that comes in its order, whatever waits while the socket is paused', async () => {
  const { served, client } = await socketPair();
  let taken = '';
  let events = 0;
  takeReads(served, (chunk) => {
    taken += chunk.toString();
    if (chunk.includes('|')) served.pause();
  });
  served.on('data', () => {
    events += 1;
  });
  served.unshift(Buffer.from('first,'));
  served.resume();
  client.write('a,');
  await eventually(() => taken).toBe('first,a,');
  // What was put back, and nothing else, went the way of streams.
  expect(events).toBe(1);
  client.write('b|');
  await eventually(() => served.isPaused()).toBe(true);
  client.write('c,');
  await eventually(() => served.readableLength).toBe(2);
  client.write('d,');
  await eventually(() => served.readableLength).toBe(4);
  expect(taken).toBe('first,a,b|');
  served.resume();
  client.write('e');
  const ended = once(served, 'end');
  client.end();
  await ended;
  expect(taken).toBe('first,a,b|c,d,e');
});
