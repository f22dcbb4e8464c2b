import type { HeaderField } from './hpack/header-field.ts';

/**
 * What one stream tells the server, each by a call that must not throw. After `reset`, and after the request is whole (`data` with
 * `isLast`, or `trailers`), nothing more of the request comes.
 */
export interface StreamHandler {
  /**
   * A part of the request's body, possibly empty when it is the last one.
   * @param chunk Valid only during the call: copy what is needed later. Its bytes count against the flow-control windows until
   *   `Http2Stream.consumed` or `kept` gives them back.
   * @param isLast True: the request is whole.
   */
  data(chunk: Buffer, isLast: boolean): void;
  /** The request is whole, and ended with trailers. */
  trailers(fields: readonly HeaderField[]): void;
  /**
   * The stream has ended before our answer was whole: nothing can be sent any more, and this is the last call.
   * @param code Of RFC 9113, section 7: the peer's, ours where it broke a rule or a time limit, CANCEL where the connection was lost.
   */
  reset(code: number): void;
  /** `sendData` returned false, and there is room again. */
  drain(): void;
}

/** One request and its answer on an HTTP/2 connection. Once the stream has ended every call on it does nothing. */
export interface Http2Stream {
  /** Odd; in the order in which the client opened its streams. */
  readonly id: number;
  readonly method: string;
  /** Never empty, but for CONNECT, which has none. */
  readonly path: string;
  /** Empty for CONNECT. */
  readonly scheme: string;
  /** From `:authority`, or else from `host`; empty where there is neither. */
  readonly authority: string;
  /** The request's fields without the pseudo-header fields, checked by RFC 9113, section 8.2. */
  readonly headers: readonly HeaderField[];
  /** True: the request ended with its headers, so no data or trailers will come. */
  readonly isWhole: boolean;
  /** Address and port of the peer, as `ip:port`. */
  readonly peer: string;
  /** False once the stream has ended, either way. */
  readonly isOpen: boolean;
  /** Bytes of data that wait for the peer's windows or for the network. */
  readonly unsentBytes: number;
  /**
   * Gives the peer so many bytes of the windows back, so that it may send as many again. To be called, or `kept`, for all that `data` brought, at once
   * or when it was worked on; the frames that say so are few.
   */
  consumed(bytes: number): void;
  /**
   * As `consumed`, of bytes that the handler keeps until it has answered: they count as held by the request until its stream ends, and the peer may
   * send as many again once there is room for them (`Http2Options.keptBytesMax`). Of a request that lasts they are consumed.
   */
  kept(bytes: number): void;
  /** Takes the limit from how long the request may take to become whole, for those that last by nature. */
  letRequestLast(): void;
  /**
   * Sends the head of the answer, once.
   * @param fields `:status` first; names in lower case. They are not checked.
   * @param isLast True: there is no more of it.
   */
  sendHeaders(fields: readonly HeaderField[], isLast?: boolean): void;
  /**
   * Sends a part of the body, which is copied: the caller may use the bytes again.
   * @returns False where more than `Http2Options.streamUnsentBytesMax` wait now: `drain` tells when there is room. They are kept all the same.
   */
  sendData(bytes: Uint8Array, isLast?: boolean): boolean;
  /** Sends the last fields, behind all data that waits. */
  sendTrailers(fields: readonly HeaderField[]): void;
  /** Ends the stream at once and drops what waits; the handler is not told. */
  reset(code: number): void;
}

/** Takes a new stream: what it returns is told the rest. It may answer during the call. */
export type OnStream = (stream: Http2Stream) => StreamHandler;
