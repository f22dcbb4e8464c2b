import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { findPort, ListenError, listen } from '../../../src/proxy/port/listen.ts';

async function failure(host: string, port: number): Promise<ListenError> {
  try {
    await listen(createServer(), { host, port, portSetting: 'GRPC_PORT' });
  } catch (error) {
    if (error instanceof ListenError) return error;
    throw error;
  }
  throw new Error('it listens');
}

describe('listen', () => {
  it('finds a port that others may listen on', async () => {
    const address = { host: '127.0.0.1', port: 0, portSetting: 'GRPC_PORT' };
    const port = await findPort(address);
    const server = createServer();
    expect(await listen(server, { ...address, port })).toBe(port);
    await expect(findPort({ ...address, port })).rejects.toThrow('another program has this port');
    server.close();
  });

  it('takes any free port for 0 and tells which', async () => {
    const server = createServer();
    const port = await listen(server, { host: '127.0.0.1', port: 0, portSetting: 'GRPC_PORT' });
    expect(server.address()).toMatchObject({ address: '127.0.0.1', port });
    server.close();
  });

  it('names the port that is in use and what to set, and keeps the cause', async () => {
    const server = createServer();
    const port = await listen(server, { host: '127.0.0.1', port: 0, portSetting: 'GRPC_PORT' });
    const error = await failure('127.0.0.1', port);
    expect(error.message).toBe(
      `cannot listen on 127.0.0.1, port ${port}: another program has this port; set GRPC_PORT to a free one, or to 0 for any`,
    );
    expect(error.cause).toMatchObject({ code: 'EADDRINUSE' });
    server.close();
  });

  it('says that the host is not of this machine', async () => {
    const error = await failure('192.0.2.1', 0);
    expect(error.message).toContain('PROXY_HOST is not an address of this machine');
    expect(error.cause).toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  it('outlives an accept that fails later', async () => {
    const server = createServer();
    await listen(server, { host: '127.0.0.1', port: 0, portSetting: 'GRPC_PORT' });
    expect(() => server.emit('error', new Error('EMFILE'))).not.toThrow();
    server.close();
  });
});
