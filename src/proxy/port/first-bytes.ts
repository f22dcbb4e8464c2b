import type { Socket } from 'node:net';

/** What a client speaks on the one port; `tls`: what comes behind a handshake, which no other protocol begins like. */
export type WireProtocol = 'http1' | 'http2' | 'tls';

/** What every HTTP/2 client sends first (RFC 9113, section 3.4); no HTTP/1.1 request starts with it. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** First byte of a TLS handshake (RFC 8446, section 5.1: ContentType handshake). */
const handshakeType = 0x16;

/** What these first bytes of a connection are; undefined while they can still be either. */
export function protocolOf(bytes: Uint8Array): WireProtocol | undefined {
  if (bytes[0] === handshakeType) return 'tls';
  const length = Math.min(bytes.length, preface.length);
  if (preface.compare(bytes, 0, length, 0, length) !== 0) return 'http1';
  return length === preface.length ? 'http2' : undefined;
}

/**
 * Waits until a new connection shows what it speaks, then hands it over, paused and with every byte in its place: the server that it
 * goes to reads it from the start. A connection that shows nothing within `timeoutMs`, or ends before, is destroyed.
 */
export function awaitProtocol(socket: Socket, timeoutMs: number, decided: (protocol: WireProtocol) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  const destroy = (): void => {
    socket.destroy();
  };
  const timer = setTimeout(destroy, timeoutMs).unref();
  const stop = (): void => {
    clearTimeout(timer);
    socket.off('data', read).off('end', destroy).off('close', stop);
  };
  const read = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const protocol = protocolOf(bytes);
    if (protocol === undefined) return;
    stop();
    socket.pause();
    socket.unshift(bytes);
    decided(protocol);
  };
  socket.on('data', read).on('end', destroy).on('close', stop);
}
