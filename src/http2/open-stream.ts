import type { RequestHead } from './header-rules.ts';
import type { HeaderField } from './hpack/header-field.ts';
import type { PendingData } from './pending-data.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { Sender, SendingStream } from './sender.ts';
import type { Http2Stream, StreamHandler } from './stream.ts';

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly peer: string;
  readonly sender: Sender;
  /** So many bytes of a stream were consumed. */
  consumed(stream: OpenStream, bytes: number): void;
  /** So many bytes of a stream are kept for as long as it is open. */
  kept(stream: OpenStream, bytes: number): void;
  /** The request of a stream will last. */
  lasts(stream: OpenStream): void;
  /** Our answer is whole. */
  answered(stream: OpenStream): void;
  /** The handler gives the stream up. */
  abandon(stream: OpenStream, code: number): void;
}

/** How much a peer may send on a new stream, and may be sent. */
export interface StreamWindows {
  readonly receiveBytes: number;
  readonly sendBytes: number;
}

/** Until the handler is known: it is made during the call that announces the stream. */
const nobody: StreamHandler = { data() {}, trailers() {}, reset() {}, drain() {} };

/** One stream from its HEADERS to its end, as its connection and its handler see it. */
export class OpenStream implements Http2Stream, SendingStream {
  readonly id: number;
  readonly openedMs: number;
  readonly receiveWindow: ReceiveWindow;
  readonly isWhole: boolean;
  sendWindowBytes: number;
  pending: PendingData | undefined;
  handler = nobody;
  isOpen = true;
  /** Whether the peer has ended its side. */
  isRequestWhole: boolean;
  /** Whether any data came. */
  hasData = false;
  /** Whether the request may take as long as it likes. */
  mayLast = false;
  /** Bytes that came and were neither consumed nor kept yet. */
  unconsumedBytes = 0;
  /** Memory that the request counts as holding. */
  heldBytes = 0;
  /** Bytes that were kept, and by which the window was not widened yet. */
  owedBytes = 0;
  readonly #owner: StreamOwner;
  readonly #head: RequestHead;
  #receivedBytes = 0;
  /** The handler has said the last of its answer. */
  #isAnswered = false;

  constructor(
    id: number,
    request: { readonly head: RequestHead; readonly isWhole: boolean; readonly openedMs: number },
    windows: StreamWindows,
    owner: StreamOwner,
  ) {
    this.id = id;
    this.#head = request.head;
    this.isWhole = request.isWhole;
    this.isRequestWhole = request.isWhole;
    this.openedMs = request.openedMs;
    this.receiveWindow = new ReceiveWindow(windows.receiveBytes);
    this.sendWindowBytes = windows.sendBytes;
    this.#owner = owner;
  }

  get method(): string {
    return this.#head.method;
  }

  get path(): string {
    return this.#head.path;
  }

  get scheme(): string {
    return this.#head.scheme;
  }

  get authority(): string {
    return this.#head.authority;
  }

  get headers(): readonly HeaderField[] {
    return this.#head.headers;
  }

  get peer(): string {
    return this.#owner.peer;
  }

  /** Whether more of the request must come, and soon. */
  get isAwaited(): boolean {
    return !this.isRequestWhole && !this.mayLast;
  }

  get unsentBytes(): number {
    return this.pending?.bytes ?? 0;
  }

  consumed(bytes: number): void {
    if (this.isOpen) this.#owner.consumed(this, Math.min(bytes, this.unconsumedBytes));
  }

  kept(bytes: number): void {
    if (this.mayLast) this.consumed(bytes);
    else if (this.isOpen) this.#owner.kept(this, Math.min(bytes, this.unconsumedBytes));
  }

  letRequestLast(): void {
    this.#owner.lasts(this);
    this.mayLast = true;
  }

  sendHeaders(fields: readonly HeaderField[], isLast = false): void {
    if (!this.#maySend(isLast)) return;
    this.#owner.sender.headers(this.id, fields, isLast);
    if (isLast) this.wroteEnd();
  }

  sendData(bytes: Uint8Array, isLast = false): boolean {
    return !this.#maySend(isLast) || this.#owner.sender.data(this, bytes, isLast);
  }

  sendTrailers(fields: readonly HeaderField[]): void {
    if (this.#maySend(true)) this.#owner.sender.trailers(this, fields);
  }

  reset(code: number): void {
    if (this.isOpen) this.#owner.abandon(this, code);
  }

  wroteEnd(): void {
    this.#owner.answered(this);
  }

  drained(): void {
    if (this.isOpen && !this.#isAnswered) this.handler.drain();
  }

  /**
   * Counts what came against `content-length` (RFC 9113, section 8.1.1).
   * @returns False where the request is not as long as it says.
   */
  receive(bytes: number, isLast: boolean): boolean {
    this.hasData ||= bytes > 0;
    this.#receivedBytes += bytes;
    this.isRequestWhole = isLast;
    const { contentLength } = this.#head;
    if (contentLength < 0) return true;
    return isLast ? this.#receivedBytes === contentLength : this.#receivedBytes <= contentLength;
  }

  #maySend(isLast: boolean): boolean {
    if (!this.isOpen || this.#isAnswered) return false;
    this.#isAnswered = isLast;
    return true;
  }
}
