import type { Socket } from 'node:net';
import { BufferPool } from '../../http2/buffer-pool.ts';
import { Http2Connection } from '../../http2/connection.ts';
import { ErrorCode } from '../../http2/errors.ts';
import { http2Defaults } from '../../http2/options.ts';
import type { RequestMemory } from '../../http2/request-memory.ts';
import type { OnStream } from '../../http2/stream.ts';
import type { Http2End, Http2Limits } from './http2-guard.ts';
import type { ListenerLimits } from './listener-limits.ts';

/** HTTP/2 by our own core. */
export class OwnHttp2 {
  readonly #pool = new BufferPool();
  readonly #options: typeof http2Defaults;
  readonly #memory: RequestMemory;
  readonly #onStream: OnStream;

  /**
   * @param maxConcurrent streams at a time on one connection.
   * @param memory bounds what requests hold.
   */
  constructor(
    limits: ListenerLimits & Http2Limits,
    maxConcurrent: number,
    { memory, onStream }: { readonly memory: RequestMemory; readonly onStream: OnStream },
  ) {
    const { firstBytesMs: settingsMs } = limits;
    this.#options = { ...http2Defaults, ...limits, settingsMs, streamsMax: maxConcurrent };
    this.#memory = memory;
    this.#onStream = onStream;
  }

  /** @param failed is told once why the connection is ended, where somebody is at fault. */
  serve(socket: Socket, failed: (end: Http2End) => void): Http2Connection {
    return new Http2Connection(socket, {
      options: this.#options,
      pool: this.#pool,
      memory: this.#memory,
      onStream: this.#onStream,
      onFailure: ({ code, message: what, cause }) =>
        failed({
          what,
          isAbuse: code === ErrorCode.ENHANCE_YOUR_CALM,
          mistake: code === ErrorCode.INTERNAL_ERROR ? cause : undefined,
        }),
    });
  }
}
