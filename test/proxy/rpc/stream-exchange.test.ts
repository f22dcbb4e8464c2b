import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../src/http2/errors.ts';
import { Flag, FrameType } from '../../../src/http2/frame.ts';
import type { ConnectHandler } from '../../../src/proxy/rpc/connect.ts';
import { addressOf, serveExchange } from '../../../src/proxy/rpc/stream-exchange.ts';
import { codeOf, data, greetedClient, ofType, openRequest, reset, windowUpdate } from '../../support/http2-frames.ts';
import { startHttp2 } from '../../support/http2-server.ts';
import { eventually } from '../../support/started-listener.ts';

const { CANCEL, INTERNAL_ERROR, ENHANCE_YOUR_CALM } = ErrorCode;
/** What HTTP/2 lets a server send before its client says more. */
const windowBytes = 65_535;

/** A client of a server whose streams this handler answers. */
async function served(handler: ConnectHandler) {
  const failures: unknown[] = [];
  const { port } = await startHttp2({}, (stream) =>
    serveExchange(stream, handler, [], (error) => failures.push(error)),
  );
  return { client: await greetedClient(port), failures };
}

const ends = ({ flags, streamId }: { flags: number; streamId: number }): boolean =>
  streamId === 1 && (flags & Flag.END_STREAM) !== 0;

async function read(body: unknown): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function* inParts(parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(`${part} `);
}

describe('a stream that Connect serves', () => {
  it('is a request with its fields and its body, answered as it says', async () => {
    const { client } = await served(async ({ method, url, header, body, address }) => ({
      status: 201,
      body: inParts([method, url, String(header.get('a')), address, await read(body)]),
    }));
    const twice = [
      ['a', '1'],
      ['a', '2'],
    ] as const;
    client.socket.write(openRequest(1, twice));
    client.socket.write(Buffer.concat([data(1, 'bo'), data(1, 'dy', Flag.END_STREAM)]));
    await client.next(ends);
    const sent = client.frames.filter(ofType(FrameType.DATA, 1)).map(({ payload }) => payload);
    expect(Buffer.concat(sent).toString()).toBe('POST http://localhost/ 1, 2 127.0.0.1 body ');
  });

  it('is answered no faster than its caller reads, whose leaving ends the answer', async () => {
    let given = 0;
    let isOver = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          given += 16_384;
          yield Buffer.alloc(16_384);
        }
      } finally {
        isOver = true;
      }
    }
    const { client, failures } = await served(async () => ({ status: 200, body: endless() }));
    client.socket.write(openRequest(1));
    const received = (): number =>
      client.frames.filter(ofType(FrameType.DATA, 1)).reduce((sum, { payload }) => sum + payload.length, 0);
    await eventually(received).toBe(windowBytes);
    const waiting = given;
    expect(waiting).toBeLessThan(windowBytes + 131_072);
    client.socket.write(Buffer.concat([windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000)]));
    await eventually(received).toBe(windowBytes + 1_000_000);
    expect(given).toBeGreaterThan(waiting);
    expect(isOver).toBe(false);
    client.socket.write(reset(1, CANCEL));
    await eventually(() => isOver).toBe(true);
    expect(failures).toEqual([]);
  });

  it('tells its handler that the caller has gone, who waits for more of the request', async () => {
    const told: unknown[] = [];
    const { client, failures } = await served(async ({ body, signal }) => {
      await read(body).catch((error: unknown) => told.push(error));
      told.push(signal.aborted);
      throw new Error('nobody is there');
    });
    client.socket.write(Buffer.concat([openRequest(1), data(1, 'x')]));
    await client.next(ofType(FrameType.SETTINGS));
    client.socket.write(reset(1, CANCEL));
    await eventually(() => told).toEqual([expect.objectContaining({ message: 'the caller has gone' }), true]);
    expect(failures).toEqual([]);
  });

  it('drops what its handler does not read of the request, and lets the client send on', async () => {
    const handler: ConnectHandler = async ({ body }) => {
      for await (const _chunk of body as AsyncIterable<Uint8Array>) break;
      return { status: 200 };
    };
    const { client } = await served(handler);
    client.socket.write(Buffer.concat([openRequest(1), data(1, 'x')]));
    await client.next(ends);
    expect(codeOf(await client.next(ofType(FrameType.RST_STREAM, 1)))).toBe(ErrorCode.NO_ERROR);
  });

  it('is reset where its handler fails, or cuts it', async () => {
    const failing = await served(async () => {
      throw new Error('broken');
    });
    failing.client.socket.write(openRequest(1));
    expect(codeOf(await failing.client.next(ofType(FrameType.RST_STREAM, 1)))).toBe(INTERNAL_ERROR);
    expect(failing.failures).toMatchObject([{ message: 'broken' }]);
    const cutting = await served(async ({ cut }) => {
      cut();
      return { status: 200 };
    });
    cutting.client.socket.write(openRequest(1));
    expect(codeOf(await cutting.client.next(ofType(FrameType.RST_STREAM, 1)))).toBe(ENHANCE_YOUR_CALM);
    expect(cutting.failures).toEqual([]);
  });
});

describe('the address of a peer', () => {
  it.each([
    ['127.0.0.1:80', '127.0.0.1'],
    ['::1:80', '::1'],
  ])('%s is %s', (peer, address) => {
    expect(addressOf(peer)).toBe(address);
  });
});
