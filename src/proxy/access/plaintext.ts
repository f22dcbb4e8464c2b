import type { Socket } from 'node:net';
import type { WireProtocol } from '../port/first-bytes.ts';

const reason = 'this port speaks TLS only: connect with https, or with TLS credentials';

/** How long the peer has to read why, in ms. */
const closeGraceMs = 1_000;

/** Ends a connection that came in cleartext to a port with TLS, saying so in its own protocol instead of letting it wait. */
export function refusePlaintext(socket: Socket, protocol: Exclude<WireProtocol, 'tls'>): void {
  const timer = setTimeout(() => socket.destroy(), closeGraceMs).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.resume();
  socket.end(protocol === 'http2' ? goAway() : badRequest(), () => socket.destroySoon());
}

function badRequest(): string {
  const head = ['HTTP/1.1 400 Bad Request', 'content-type: text/plain', `content-length: ${reason.length + 1}`];
  return `${[...head, 'connection: close'].join('\r\n')}\r\n\r\n${reason}\n`;
}

/** SETTINGS without any, which comes first, and GOAWAY of stream 0 with INADEQUATE_SECURITY (RFC 9113, sections 6.5, 6.8 and 7). */
function goAway(): Buffer {
  const debugData = Buffer.from(reason);
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const head = Buffer.from([0, 0, 8 + debugData.length, 7, 0, 0, 0, 0, 0]);
  const lastStreamAndCode = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x0c]);
  return Buffer.concat([settings, head, lastStreamAndCode, debugData]);
}
