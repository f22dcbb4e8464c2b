import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReusedReads } from '../../src/remoting/reused-reads.ts';
import { type LoopbackServer, startLoopbackServer } from '../support/loopback-server.ts';

let server: LoopbackServer;
beforeEach(async () => {
  server = await startLoopbackServer();
});
afterEach(() => server.close());

test('all that comes is taken, in order, what came before somebody took it as well, out of one buffer', async () => {
  const reads = new ReusedReads();
  const near = connect({ port: server.port, host: '127.0.0.1', onread: reads.onread });
  const far = await server.accept();
  const sent = Buffer.alloc(300_000).map((_, index) => index);
  far.write(sent.subarray(0, 5));
  // What has been read is seen by nobody yet.
  while (near.bytesRead < 5) await new Promise((resolve) => setImmediate(resolve));
  const taken: Buffer[] = [];
  const buffers = new Set<unknown>();
  reads.start((bytes) => {
    if (taken.length > 0) buffers.add(bytes.buffer);
    taken.push(Buffer.from(bytes));
  });
  expect(Buffer.concat(taken)).toEqual(sent.subarray(0, 5));
  far.end(sent.subarray(5));
  await once(near, 'close');
  expect(Buffer.concat(taken).equals(sent)).toBe(true);
  expect(buffers.size).toBe(1);
});
