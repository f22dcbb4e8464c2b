import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { TlsMaterial } from './tls-files.ts';

export interface TlsPortOptions {
  readonly material: TlsMaterial;
  /** Longest that a handshake may take, in ms. */
  readonly handshakeMs: number;
  /** Called for a handshake that failed; its connection is closed. */
  readonly onFailure: (error: Error, peer: string | undefined) => void;
}

/** Makes TLS connections of accepted ones: TLS 1.2 or newer, HTTP/2 or HTTP/1.1 by ALPN. */
export class TlsPort {
  /** Does not listen: it is handed its connections. */
  readonly #server: Server;
  /** Who waits for which connection: Node tells of the one that it made, not of which other one it made it. */
  readonly #handshakes = new Map<string, (secure: TLSSocket) => void>();

  constructor(options: TlsPortOptions) {
    const { material, handshakeMs, onFailure } = options;
    this.#server = createServer({
      ...withoutUndefined(material),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['h2', 'http/1.1'],
      handshakeTimeout: handshakeMs,
      requestCert: material.ca !== undefined,
      rejectUnauthorized: material.ca !== undefined,
    });
    this.#server.on('secureConnection', (secure) => {
      const accepted = this.#handshakes.get(handshakeKey(secure));
      if (accepted === undefined) secure.destroy();
      else accepted(secure);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      onFailure(error, socket.remoteAddress);
      socket.destroy();
    });
  }

  /**
   * @param socket paused, with its first bytes in place.
   * @param onSecure called with the connection once its handshake is done.
   */
  accept(socket: Socket, onSecure: (secure: TLSSocket) => void): void {
    const key = handshakeKey(socket);
    this.#handshakes.set(key, onSecure);
    socket.once('close', () => this.#handshakes.delete(key));
    this.#server.emit('connection', socket);
  }

  /** For handshakes from now on; connections that are open stay as they are. */
  renew(material: TlsMaterial): void {
    this.#server.setSecureContext({ ...withoutUndefined(material), minVersion: 'TLSv1.2' });
  }
}

/** No two connections that are open have the same. */
function handshakeKey({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}

function withoutUndefined({ cert, key, ca }: TlsMaterial) {
  return ca === undefined ? { cert, key } : { cert, key, ca };
}
