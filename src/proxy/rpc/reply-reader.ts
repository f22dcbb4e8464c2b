import type { RepliesReader } from './call.ts';

/** Bytes of one reply that are written at once: a caller that takes so many is seen to read. */
export const pieceBytesMax = 262_144;

/** How a caller of Connect's handlers reads a stream of replies. */
export class ReplyReader implements RepliesReader {
  readonly cut: () => void;
  #onEncoded: () => void = ignore;
  #onProgress: () => void = ignore;

  constructor(cut: () => void) {
    this.cut = cut;
  }

  watch(onEncoded: () => void, onProgress: () => void): void {
    this.#onEncoded = onEncoded;
    this.#onProgress = onProgress;
  }

  /** The replies, those that are large in pieces. */
  inPieces(replies: AsyncIterator<Uint8Array>): AsyncIterator<Uint8Array> {
    let rest: Uint8Array | undefined;
    const split = (reply: Uint8Array): IteratorResult<Uint8Array> => {
      rest = reply.length > pieceBytesMax ? reply.subarray(pieceBytesMax) : undefined;
      return { done: false, value: rest === undefined ? reply : reply.subarray(0, pieceBytesMax) };
    };
    const encoded = (result: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
      this.#onEncoded();
      return result.done === true ? result : split(result.value);
    };
    return {
      next: () => {
        this.#onProgress();
        return rest === undefined ? replies.next().then(encoded) : Promise.resolve(split(rest));
      },
      return: () => replies.return?.() ?? Promise.resolve({ done: true, value: undefined }),
      throw: (error: unknown) => replies.throw?.(error) ?? Promise.reject(error),
    };
  }
}

function ignore(): void {}
