import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Channels, redialDelayMs } from '../../../src/client/cluster/channels.ts';
import type { Channel } from '../../../src/remoting/channel.ts';
import { Serialization } from '../../../src/remoting/command.ts';
import { decodeCommand } from '../../../src/remoting/command-codec.ts';
import { Deadline } from '../../../src/remoting/deadline.ts';
import { FrameDecoder } from '../../../src/remoting/frame.ts';
import { RequestCode } from '../../../src/remoting/request-code.ts';
import { ResponseCode } from '../../../src/remoting/response-code.ts';
import { encodeCommand } from '../../support/encoded-command.ts';
import { blankCommand, type LoopbackServer, startLoopbackServer } from '../../support/loopback-server.ts';
import { deferred, ScriptedPeer } from '../../support/scripted-peer.ts';

const soon = (): Deadline => Deadline.after(10_000);

describe('Channels', () => {
  let peer: ScriptedPeer;
  let channels: Channels;
  const opened: Channel[] = [];

  beforeEach(async () => {
    peer = await ScriptedPeer.start();
    opened.length = 0;
    channels = new Channels({ connectTimeoutMs: 3_000 }, (channel) => opened.push(channel));
  });

  afterEach(async () => {
    channels.close();
    await peer.stop();
  });

  test('dials once for all who ask at once, and keeps the connection for all later ones', async () => {
    const many = await Promise.all(Array.from({ length: 20 }, () => channels.get(peer.address, soon())));
    const later = await channels.get(peer.address, soon());
    expect(new Set([...many, later]).size).toBe(1);
    expect(peer.connections.length).toBe(1);
    expect(opened).toEqual([later]);
    expect(channels.all).toEqual([later]);
  });

  test('dials again after the connection was lost', async () => {
    const first = await channels.get(peer.address, soon());
    peer.dropConnections();
    await first.closed;
    expect(channels.all).toEqual([]);
    const second = await channels.get(peer.address, soon());
    expect(second).not.toBe(first);
    expect(second.isOpen).toBe(true);
    expect(opened).toEqual([first, second]);
  });

  test('never hands out a connection that has ended, not even in the moment of its end', async () => {
    const first = await channels.get(peer.address, soon());
    first.close();
    expect((await channels.get(peer.address, soon())).isOpen).toBe(true);
  });

  test('leaves an address alone for a moment after it refused, then tries again', async () => {
    await peer.stop();
    await expect(channels.get(peer.address, soon())).rejects.toMatchObject({ kind: 'connect', address: peer.address });
    await peer.listen();
    await expect(channels.get(peer.address, soon())).rejects.toMatchObject({
      kind: 'connect',
      message: expect.stringContaining('the last try failed just now'),
      cause: { message: expect.stringContaining('ECONNREFUSED') },
    });
    expect(peer.connections.length).toBe(0);
    await expect
      .poll(
        () =>
          channels.get(peer.address, soon()).then(
            ({ isOpen }) => isOpen,
            () => false,
          ),
        { timeout: 5_000 },
      )
      .toBe(true);
    expect(redialDelayMs).toBeLessThanOrEqual(1_000);
  });

  test('a caller that gives up leaves the dial to the others', async () => {
    const caller = new AbortController();
    const impatient = channels.get(peer.address, Deadline.after(10_000, caller.signal));
    const patient = channels.get(peer.address, soon());
    caller.abort();
    await expect(impatient).rejects.toMatchObject({ kind: 'cancelled' });
    expect((await patient).isOpen).toBe(true);
  });

  test('a text that is no address is an error of its caller only', async () => {
    await expect(channels.get('nowhere', soon())).rejects.toMatchObject({ kind: 'malformed' });
    expect((await channels.get(peer.address, soon())).isOpen).toBe(true);
  });

  test('close ends open connections and dials under way, and refuses what comes later', async () => {
    const silent = await startLoopbackServer();
    // The name of a host that takes its time: the dial is under way while the channels close.
    const open = await channels.get(peer.address, soon());
    const underWay = channels.get(silent.address, soon());
    channels.close();
    await expect(underWay).rejects.toMatchObject({ name: 'ClientError', kind: 'closed' });
    expect((await open.closed).kind).toBe('closed');
    await expect(channels.get(peer.address, soon())).rejects.toMatchObject({ name: 'ClientError', kind: 'closed' });
    await peer.until(() => peer.openConnections.length === 0);
    await silent.close();
  });

  test('a server can ask, and is answered by the handler that was given', async () => {
    const asked = deferred<number>();
    const listening = new Channels({
      connectTimeoutMs: 3_000,
      onServerRequest: async ({ code }) => {
        asked.resolve(code);
        return undefined;
      },
    });
    await listening.get(peer.address, soon());
    await peer.until(() => peer.openConnections.length === 1);
    peer.connections[0]?.ask({ code: 40 });
    expect(await asked.promise).toBe(40);
    listening.close();
  });

  describe('a server that says GO_AWAY', () => {
    const ask = { code: RequestCode.GET_MAX_OFFSET, extFields: {} };
    const goAway = { code: ResponseCode.GO_AWAY, remark: 'shutting down' };

    test('gets the request once more on a new connection, and is left when it has answered all', async () => {
      const held = deferred<{ readonly remark: string }>();
      peer.on(RequestCode.NOTIFICATION, () => held.promise);
      peer.on(RequestCode.GET_MAX_OFFSET, (_, connection) => (connection === peer.connections[0] ? goAway : {}));
      const first = await channels.get(peer.address, soon());
      const poll = first.invoke({ code: RequestCode.NOTIFICATION, extFields: {} }, soon());
      const replies = await Promise.all([first.invoke(ask, soon()), first.invoke(ask, soon())]);
      expect(replies.map(({ code }) => code)).toEqual([0, 0]);
      expect(peer.connections.length).toBe(2);
      const [second] = channels.all;
      expect([first.isOpen, second === first, second?.isOpen]).toEqual([false, false, true]);
      // Who still has the first goes by the second, too.
      expect((await first.invoke(ask, soon())).code).toBe(0);
      expect(peer.requests(RequestCode.GET_MAX_OFFSET).length).toBe(5);
      held.resolve({ remark: 'answered by the first' });
      expect((await poll).remark).toBe('answered by the first');
      await first.closed;
      await peer.until(() => peer.openConnections.length === 1);
    });

    test('is asked no third time', async () => {
      peer.on(RequestCode.GET_MAX_OFFSET, () => goAway);
      const first = await channels.get(peer.address, soon());
      expect((await first.invoke(ask, soon())).code).toBe(ResponseCode.GO_AWAY);
      expect(peer.requests(RequestCode.GET_MAX_OFFSET).length).toBe(2);
    });

    test('cannot keep its connection when all are closed', async () => {
      peer.on(RequestCode.NOTIFICATION, () => undefined);
      peer.on(RequestCode.GET_MAX_OFFSET, (_, connection) => (connection === peer.connections[0] ? goAway : {}));
      const first = await channels.get(peer.address, soon());
      const poll = first.invoke({ code: RequestCode.NOTIFICATION, extFields: {} }, soon());
      await first.invoke(ask, soon());
      channels.close();
      await expect(poll).rejects.toMatchObject({ kind: 'closed' });
    });
  });

  test('a server that has gone silent is given up within 6 s, and another connection is made', async () => {
    peer.on(RequestCode.NOTIFICATION, () => undefined).on(RequestCode.HEART_BEAT, () => undefined);
    const first = await channels.get(peer.address, soon());
    const startMs = performance.now();
    const poll = first.invoke({ code: RequestCode.NOTIFICATION, extFields: {} }, Deadline.after(20_000));
    await expect(poll).rejects.toMatchObject({ kind: 'closed', outcomeUnknown: true });
    expect(performance.now() - startMs).toBeLessThan(6_500);
    expect(await channels.get(peer.address, soon())).not.toBe(first);
  }, 15_000);

  test('a server that holds a request for long is asked for a sign of life, and kept', async () => {
    peer.on(RequestCode.NOTIFICATION, () => undefined);
    const first = await channels.get(peer.address, soon());
    const poll = first.invoke({ code: RequestCode.NOTIFICATION, extFields: {} }, Deadline.after(7_000));
    await expect(poll).rejects.toMatchObject({ kind: 'timeout' });
    expect(peer.requests(RequestCode.HEART_BEAT).length).toBeGreaterThanOrEqual(2);
    expect(first.isOpen).toBe(true);
  }, 15_000);

  describe('binary headers', () => {
    const send = { code: RequestCode.SEND_MESSAGE_V2, extFields: { b: 'T' } };
    let server: LoopbackServer;

    beforeEach(async () => {
      server = await startLoopbackServer();
      channels = new Channels({ connectTimeoutMs: 3_000, serialization: Serialization.ROCKETMQ });
    });
    afterEach(() => server.close());

    /** Serves one connection in JSON, and says in what each request came. @param endsOver Whether a binary one ends it. */
    async function serve(endsOver: boolean): Promise<number[]> {
      const socket = await server.accept();
      const decoder = new FrameDecoder();
      const serializations: number[] = [];
      socket.on('data', (chunk: Buffer) => {
        for (const frame of decoder.push(chunk)) {
          serializations.push(frame.serialization);
          if (endsOver && frame.serialization === Serialization.ROCKETMQ) return void socket.destroy();
          const { opaque } = decodeCommand(frame);
          for (const part of encodeCommand({ ...blankCommand, version: 513, opaque, flag: 1 })) socket.write(part);
        }
      });
      return serializations;
    }

    test('are used once the server has said its version and answered one, in whatever way', async () => {
      const [channel, serializations] = await Promise.all([channels.get(server.address, soon()), serve(false)]);
      for (let count = 0; count < 3; count += 1) await channel.invoke(send, soon());
      await Promise.all([channel.invoke(send, soon()), channel.invoke({ ...send, code: 200_050 }, soon())]);
      expect(serializations).toEqual([0, 1, 1, 1, 0]);
    });

    test('are left alone with a server that ended the connection over one', async () => {
      const [first, before] = await Promise.all([channels.get(server.address, soon()), serve(true)]);
      await first.invoke(send, soon());
      await expect(first.invoke(send, soon())).rejects.toMatchObject({ kind: 'closed', outcomeUnknown: true });
      await first.closed;
      const [second, after] = await Promise.all([channels.get(server.address, soon()), serve(true)]);
      for (let count = 0; count < 3; count += 1) await second.invoke(send, soon());
      expect([before, after]).toEqual([
        [0, 1],
        [0, 0, 0],
      ]);
    });
  });
});
