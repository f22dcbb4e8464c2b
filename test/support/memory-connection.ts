import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import type { Command } from '../../src/remoting/command.ts';
import { decodeCommand } from '../../src/remoting/command-codec.ts';
import { FrameDecoder } from '../../src/remoting/frame.ts';
import {
  ServerConnection,
  type ServerConnectionOptions,
  serverConnectionDefaults,
} from '../../src/remoting/server-connection.ts';
import { memoryStream } from './connected-channel.ts';

/** A server's side of a connection in memory, and what it wrote. */
export interface MemoryConnection {
  readonly connection: ServerConnection;
  readonly stream: Duplex;
  readonly written: readonly Command[];
}

let port = 0;

/** A connection whose client takes everything and says nothing; ends with the test. @param takes False: it takes nothing either. */
export function memoryConnection(options: Partial<ServerConnectionOptions> = {}, takes = true): MemoryConnection {
  const written: Command[] = [];
  const decoder = new FrameDecoder();
  const stream = memoryStream((chunks, left) => {
    for (const chunk of chunks) written.push(...decoder.push(chunk).map(decodeCommand));
    if (takes) left();
  });
  port += 1;
  const connection = new ServerConnection(stream, `127.0.0.1:${port}`, '127.0.0.1:10911', {
    ...serverConnectionDefaults,
    onRequest: () => ({ code: 0 }),
    onMistake: () => {},
    ...options,
  });
  onTestFinished(() => connection.close());
  return { connection, stream, written };
}
