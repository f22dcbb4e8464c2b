import type { Socket } from 'node:net';

/** Connections that are held at a time; more are closed at once. */
export const heldMax = 64;
/** How long each is held, in ms. */
export const heldMs = 1_000;

/**
 * Connections that were refused and are closed a second later: who comes again as soon as he is refused would make us accept thousands in a
 * second, and what each leaves to the garbage collector is more memory than their attack could take.
 */
export class HeldRefusals {
  readonly #durationMs: number;
  readonly #ends = new Map<Socket, NodeJS.Timeout>();

  /** @param durationMs for tests. */
  constructor(durationMs = heldMs) {
    this.#durationMs = durationMs;
  }

  /** How many are held. */
  get count(): number {
    return this.#ends.size;
  }

  /** Closes a connection later, or at once where there are enough. */
  hold(socket: Socket): void {
    if (this.#ends.size >= heldMax) {
      socket.destroy();
      return;
    }
    socket.on('error', ignore);
    socket.once('close', () => this.#forget(socket));
    const end = setTimeout(() => socket.destroy(), this.#durationMs).unref();
    this.#ends.set(socket, end);
  }

  /** Closes all. */
  end(): void {
    for (const socket of this.#ends.keys()) socket.destroy();
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#ends.get(socket));
    this.#ends.delete(socket);
  }
}

function ignore(): void {}
