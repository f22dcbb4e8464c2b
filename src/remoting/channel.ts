import type { Duplex } from 'node:stream';
import {
  type Answer,
  type Command,
  type CommandContent,
  CommandFlag,
  isOneWay,
  isReply,
  Serialization,
} from './command.ts';
import { decodeCommand, replyTo, requestOf, serializationOf } from './command-codec.ts';
import { connectionLoss } from './connection-failures.ts';
import type { Deadline } from './deadline.ts';
import { RemotingError } from './errors.ts';
import { FrameDecoder, frameBytesMaxDefault } from './frame.ts';
import { FrameWriter } from './frame-writer.ts';
import { HeaderChoice } from './header-choice.ts';
import { type Asker, InFlightRequests } from './in-flight-requests.ts';
import { ResponseCode } from './response-code.ts';
import type { ReusedReads } from './reused-reads.ts';
import { type Credentials, signRequest } from './signature.ts';
import { type SilenceLimits, SilenceWatch } from './silence-watch.ts';
import { TurnEnd } from './turn-end.ts';

/** Answers requests that the server sends us; undefined for a code that is not known. */
export type ServerRequestHandler = (request: Command, channel: Channel) => Promise<Answer | undefined>;

export interface ChannelOptions {
  /** Requests that may wait for their reply at once; one more is refused as `overloaded`. */
  readonly inFlightMax: number;
  /** Bytes that may wait for the network before further requests are refused as `overloaded`. */
  readonly unsentBytesMax: number;
  /** Largest frame either way, in bytes. */
  readonly frameBytesMax: number;
  /** Requests of the server that may be worked on at once; one more is answered SYSTEM_BUSY. */
  readonly serverRequestsMax: number;
  /** Header serialisation of requests: `ROCKETMQ` where the server has shown that it takes that, and the request fits it. */
  readonly serialization: Serialization;
  /** Signs every request; a function is asked each time. */
  readonly credentials?: Credentials | (() => Credentials | undefined) | undefined;
  /** Sees every reply before the caller does, who gets what it throws instead. */
  readonly checkReply?: ((reply: Command, address: string) => void) | undefined;
  readonly onServerRequest?: ServerRequestHandler | undefined;
  /** Notices a server that is gone without a word; without it only deadlines end what waits for one. */
  readonly liveness?: LivenessOptions | undefined;
  /** The connection to be used in place of one whose server said GO_AWAY. Without it, that is an answer like any other. */
  readonly successor?: ((leaving: Channel, deadline: Deadline) => Promise<Channel>) | undefined;
  /** When what was written leaves, shared with whoever gathers what is to be asked. Default: one of its own. */
  readonly turn?: TurnEnd | undefined;
}

/** How a server is asked for a sign of life while it owes an answer and says nothing. */
export interface LivenessOptions extends SilenceLimits {
  /** A request that any server answers at once, and be it with an error, and that changes nothing. */
  readonly probe: () => CommandContent;
}

/** In flight is bounded by the callers' own limits long before; unsent bytes hold about eight messages of the largest size. */
export const channelDefaults: ChannelOptions = {
  inFlightMax: 8_192,
  unsentBytesMax: 33_554_432,
  frameBytesMax: frameBytesMaxDefault,
  serverRequestsMax: 64,
  serialization: Serialization.JSON,
};

/** Longest time, in ms, that a closed connection may go on sending what was written before. */
const closeTimeoutMs = 3_000;

/**
 * One connection to a name server or broker. Requests are pipelined and answered in any order; what is written within one
 * turn of the event loop leaves in one write. A reply that nobody waits for any more is dropped and counted.
 */
export class Channel {
  /** `host:port` of the server. */
  readonly address: string;
  /** Resolves with the reason once the connection has ended. */
  readonly closed: Promise<RemotingError>;
  /** At its end leaves what was written. */
  readonly turn: TurnEnd;
  readonly #stream: Duplex;
  readonly #options: ChannelOptions;
  readonly #decoder: FrameDecoder;
  readonly #writer: FrameWriter;
  readonly #headers: HeaderChoice;
  readonly #inFlight: InFlightRequests;
  readonly #watch: SilenceWatch | undefined;
  #resolveClosed: (reason: RemotingError) => void = () => {};
  #state: { readonly name: 'open' | 'leaving' } | { readonly name: 'closed'; readonly reason: RemotingError } = {
    name: 'open',
  };
  #serverRequestCount = 0;
  #serverVersion: number | undefined;

  /** @param reads What the stream receives, where it does not give that itself. */
  constructor(stream: Duplex, address: string, options: ChannelOptions, reads?: ReusedReads) {
    this.#stream = stream;
    this.address = address;
    this.#options = options;
    this.#decoder = new FrameDecoder(options.frameBytesMax, reads !== undefined);
    this.turn = options.turn ?? new TurnEnd();
    this.#writer = new FrameWriter(stream, options.frameBytesMax, (run) => this.turn.leave(run));
    this.#headers = new HeaderChoice(options.serialization);
    this.#inFlight = new InFlightRequests(address, options.inFlightMax, () => this.#closeWhenLeft());
    this.#watch = options.liveness === undefined ? undefined : this.#createWatch(options.liveness);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const fail = (what: string, cause?: unknown): void =>
      this.#fail(new RemotingError('closed', `${address} ${what}`, { address, cause }));
    if (reads === undefined) stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('error', (cause) => this.#fail(connectionLoss(address, cause)));
    stream.on('end', () => fail('closed the connection'));
    stream.on('close', () => fail('closed the connection'));
    if (stream.destroyed) fail('closed the connection');
    reads?.start((bytes) => this.#receive(bytes));
  }

  /** False also while a server that said GO_AWAY answers what it has been asked before. */
  get isOpen(): boolean {
    return this.#state.name === 'open';
  }

  /** Version that the server put into its last reply (`ProtocolVersion`); undefined before the first. */
  get serverVersion(): number | undefined {
    return this.#serverVersion;
  }

  /** True where the server has left the one request unanswered that would have shown that it takes binary headers. */
  get isBinaryUnproven(): boolean {
    return this.#headers.isUnproven;
  }

  get inFlightCount(): number {
    return this.#inFlight.count;
  }

  /** Replies that came after their request had been given up, or that answer no request of ours. */
  get droppedReplyCount(): number {
    return this.#inFlight.droppedReplyCount;
  }

  /**
   * Sends a request and waits for its reply, whatever its code. Where the server says GO_AWAY it is sent once more, by the successor.
   * @throws RemotingError: `timeout` and `cancelled` by the deadline, `closed` when the connection ends (each with
   * `outcomeUnknown`, once the request was written), `overloaded` when a limit keeps it from being written; what `checkReply` throws.
   */
  invoke(content: CommandContent, deadline: Deadline): Promise<Command> {
    return new Promise((resolve, reject) => this.ask(content, deadline, { replied: resolve, failed: reject }));
  }

  /**
   * As `invoke`, without a promise, for what is asked very often.
   * @throws RemotingError what `invoke` fails with before anything was written.
   */
  ask(content: CommandContent, deadline: Deadline, asker: Asker): void {
    const { successor } = this.#options;
    if (successor === undefined || this.#state.name === 'closed') {
      this.#send(content, deadline, this.#checking(asker));
    } else if (this.#state.name === 'leaving') {
      void this.#askSuccessor(successor(this, deadline), content, deadline, asker);
    } else {
      this.#send(content, deadline, {
        replied: (reply) => {
          if (reply.code !== ResponseCode.GO_AWAY) return this.#settle(reply, asker);
          this.#leave();
          void this.#askSuccessor(successor(this, deadline), content, deadline, asker);
        },
        failed: (error) => asker.failed(error),
      });
    }
  }

  /**
   * Sends a request that gets no reply, not even an error.
   * @throws RemotingError `closed` or `overloaded` when it was not written.
   */
  sendOneWay(content: CommandContent): void {
    this.#checkWritable();
    this.#writer.write(this.#request(content, this.#inFlight.nextOpaque(), CommandFlag.ONE_WAY), this.#headers.known);
  }

  /** Ends the connection; requests in flight fail as `closed`. What was written before still leaves, for 3 s at most. */
  close(): void {
    if (!this.#isConnected) return;
    const stream = this.#stream;
    // A server that reads no more would keep the connection for good.
    const timer = setTimeout(() => stream.destroy(), closeTimeoutMs);
    stream.once('close', () => clearTimeout(timer));
    this.#writer.flush();
    stream.end(() => stream.destroy());
    const { address } = this;
    this.#end(new RemotingError('closed', `the connection to ${address} was closed`, { address }));
  }

  get #isConnected(): boolean {
    return this.#state.name !== 'closed';
  }

  async #askSuccessor(
    found: Promise<Channel>,
    content: CommandContent,
    deadline: Deadline,
    asker: Asker,
  ): Promise<void> {
    try {
      const next = await found;
      next.#send(content, deadline, this.#checking(asker));
    } catch (error) {
      asker.failed(error);
    }
  }

  #checking(asker: Asker): Asker {
    return { replied: (reply) => this.#settle(reply, asker), failed: (error) => asker.failed(error) };
  }

  #settle(reply: Command, asker: Asker): void {
    try {
      this.#options.checkReply?.(reply, this.address);
    } catch (error) {
      asker.failed(error);
      return;
    }
    asker.replied(reply);
  }

  #send(content: CommandContent, deadline: Deadline, asker: Asker): void {
    this.#checkWritable();
    this.#inFlight.request(
      (opaque) => {
        const request = this.#request(content, opaque, 0);
        this.#writer.write(request, this.#headers.next(request, this.#serverVersion));
      },
      deadline,
      asker,
    );
    this.#watch?.asked();
  }

  /** The server takes no more requests; it still answers those that it has. */
  #leave(): void {
    if (this.#state.name !== 'open') return;
    this.#state = { name: 'leaving' };
    this.#closeWhenLeft();
  }

  #closeWhenLeft(): void {
    if (this.#state.name === 'leaving' && this.#inFlight.count === 0) this.close();
  }

  #createWatch(liveness: LivenessOptions): SilenceWatch {
    const { address } = this;
    return new SilenceWatch(liveness, {
      isWaiting: () => this.#inFlight.count > 0,
      unsentBytes: () => this.#writer.unsentBytes,
      // Its answer is read like any other, found to be awaited by nobody, and dropped: that it came is all.
      probe: () =>
        this.#writer.write(this.#request(liveness.probe(), this.#inFlight.nextOpaque(), 0), this.#headers.known),
      onDead: () =>
        this.#fail(
          new RemotingError('closed', `${address} has gone silent: not even a probe was answered`, { address }),
        ),
    });
  }

  #checkWritable(): void {
    const { address } = this;
    if (this.#state.name === 'closed') {
      const cause = this.#state.reason;
      throw new RemotingError('closed', `the connection to ${address} is closed`, { address, cause });
    }
    if (!this.#isBackedUp) return;
    const { unsentBytesMax } = this.#options;
    throw new RemotingError('overloaded', `${unsentBytesMax} bytes for ${address} are waiting to be sent`, { address });
  }

  get #isBackedUp(): boolean {
    return this.#writer.unsentBytes >= this.#options.unsentBytesMax;
  }

  #request(content: CommandContent, opaque: number, flag: number): Command {
    const { credentials: given } = this.#options;
    const credentials = typeof given === 'function' ? given() : given;
    return requestOf(credentials === undefined ? content : signRequest(content, credentials), opaque, flag);
  }

  #receive(chunk: Buffer): void {
    this.#watch?.heard();
    try {
      for (const frame of this.#decoder.push(chunk)) {
        if (!this.#isConnected) return;
        this.#take(decodeCommand(frame), serializationOf(frame));
      }
    } catch (cause) {
      const { address } = this;
      this.#fail(
        new RemotingError('malformed', `${address} sent bytes that are not the remoting protocol`, { address, cause }),
      );
    }
  }

  #take(command: Command, serialization: Serialization): void {
    if (!isReply(command)) {
      void this.#answer(command, serialization);
      return;
    }
    this.#serverVersion = command.version;
    this.#headers.answered(command.opaque);
    this.#inFlight.take(command);
  }

  /** Never fails: whatever goes wrong in a handler or with its answer becomes a reply, without its text. */
  async #answer(request: Command, serialization: Serialization): Promise<void> {
    const failed = { code: ResponseCode.SYSTEM_ERROR, remark: `request code ${request.code} failed` };
    const answer = await this.#handle(request).catch(() => failed);
    // A server that asks without reading gets no answer: it must not fill our memory.
    if (isOneWay(request) || !this.#isConnected || this.#isBackedUp) return;
    try {
      this.#writer.write(replyTo(request, answer), serialization);
    } catch {
      this.#writer.write(replyTo(request, failed), serialization);
    }
  }

  async #handle(request: Command): Promise<Answer> {
    const { onServerRequest, serverRequestsMax } = this.#options;
    if (this.#serverRequestCount >= serverRequestsMax) {
      return { code: ResponseCode.SYSTEM_BUSY, remark: 'too many requests at once' };
    }
    this.#serverRequestCount += 1;
    try {
      const answer = await onServerRequest?.(request, this);
      const { code } = request;
      const unknown = {
        code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED,
        remark: `request code ${code} is not supported`,
      };
      return answer ?? unknown;
    } finally {
      this.#serverRequestCount -= 1;
    }
  }

  #fail(reason: RemotingError): void {
    this.#stream.destroy();
    this.#end(reason);
  }

  #end(reason: RemotingError): void {
    if (!this.#isConnected) return;
    this.#state = { name: 'closed', reason };
    this.#watch?.stop();
    this.#inFlight.rejectAll(reason);
    this.#resolveClosed(reason);
  }
}
