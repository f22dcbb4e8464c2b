import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { Channel, type ChannelOptions, channelDefaults } from '../../src/remoting/channel.ts';
import { type Command, type CommandContent, Serialization } from '../../src/remoting/command.ts';
import { Deadline } from '../../src/remoting/deadline.ts';
import { encodeCommand } from './encoded-command.ts';
import { blankCommand, type LoopbackServer, ServerSide, socketPair } from './loopback-server.ts';

/** A channel, what the server sees of it, and the sockets of both ends. */
export interface Connected {
  readonly channel: Channel;
  readonly peer: ServerSide;
  readonly near: Socket;
  readonly far: Socket;
}

export async function connectChannel(
  server: LoopbackServer,
  options: Partial<ChannelOptions> = {},
): Promise<Connected> {
  const { near, far } = await socketPair(server);
  const channel = new Channel(near, server.address, { ...channelDefaults, ...options });
  return { channel, peer: new ServerSide(far), near, far };
}

/** Some request. */
export const content: CommandContent = { code: 34, extFields: { a: '1' } };

/** A deadline that no test means to reach. */
export function soon(): Deadline {
  return Deadline.after(10_000);
}

/** The frame of a command, as one buffer. */
export function bytesOf(command: Partial<Command>): Buffer {
  return Buffer.concat(encodeCommand({ ...blankCommand, ...command }, Serialization.JSON));
}

/** A stream in memory: what was written stays with the test, which also decides when a write has left. */
export function memoryStream(write: (chunks: Buffer[], left: () => void) => void): Duplex {
  return new Duplex({
    read() {},
    write: (chunk: Buffer, _, left) => write([chunk], left),
    writev: (chunks, left) =>
      write(
        chunks.map(({ chunk }) => chunk as Buffer),
        left,
      ),
  });
}
