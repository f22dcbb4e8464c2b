import type { Socket } from 'node:net';

/**
 * Has `take` called with all that a socket receives, and takes it from where it comes in: the way through the socket's stream costs as much as
 * reading the frames of a call. A socket that is paused, or that something waits in, is a stream like any other.
 */
export function takeReads(socket: Socket, take: (chunk: Buffer) => void): void {
  socket.on('data', take);
  const push = socket.push.bind(socket);
  socket.push = (chunk, encoding) => {
    if (!Buffer.isBuffer(chunk) || socket.readableFlowing !== true || socket.readableLength > 0)
      return push(chunk, encoding);
    take(chunk);
    return true;
  };
}
