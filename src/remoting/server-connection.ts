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
import type { Deadline } from './deadline.ts';
import { RemotingError } from './errors.ts';
import { type Frame, FrameDecoder, frameBytesMaxDefault } from './frame.ts';
import { atEndOfTick, FrameWriter } from './frame-writer.ts';
import { InFlightRequests } from './in-flight-requests.ts';
import { ResponseCode } from './response-code.ts';

/**
 * Answers one request of a client, at once or later, or with undefined not at all; must not throw or reject but by mistake, which is
 * answered SYSTEM_ERROR without its text and told to `onMistake`.
 */
export type RequestHandler = (
  request: Command,
  connection: ServerConnection,
) => Answer | undefined | Promise<Answer | undefined>;

export interface ServerConnectionOptions {
  readonly onRequest: RequestHandler;
  /** Hears what a handler threw. */
  readonly onMistake: (error: unknown, request: Command) => void;
  /** Hears that the client, which took no answers for a while, has taken all. Default: nobody does. */
  readonly onDrained?: (connection: ServerConnection) => void;
  /** Largest frame either way, in bytes. */
  readonly frameBytesMax: number;
  /** Bytes that may wait for the client: above, no more of its requests are read until it has taken some. */
  readonly unsentBytesMax: number;
  /** How long, in ms, a client with bytes waiting may take none before the connection is closed. */
  readonly stalledMsMax: number;
  /** How long, in ms, a client may be silent before the connection is closed. */
  readonly idleMsMax: number;
  /** Requests to the client that may wait for their reply at once. */
  readonly inFlightMax: number;
}

/** 16 MiB hold the largest frame; RocketMQ's servers close connections after 120 s of silence, its clients heartbeat every 30 s. */
export const serverConnectionDefaults = {
  frameBytesMax: frameBytesMaxDefault,
  unsentBytesMax: 16_777_216,
  stalledMsMax: 30_000,
  idleMsMax: 120_000,
  inFlightMax: 1_024,
} as const;

/**
 * Requests of one connection that are worked on in one turn of the event loop: their answers are on their way while the next ones are
 * worked on, so that client and server work side by side; and others get their turn.
 */
const framesPerTurnMax = 16;

/**
 * The server's side of one connection: takes requests, answers them in any order, and asks the client in turn. A client that sends
 * bytes which are no frames, or reads nothing of what it asked for, loses its connection and nothing else happens.
 */
export class ServerConnection {
  /** `ip:port` of the client. */
  readonly peer: string;
  /** `ip:port` at which the client reached us. */
  readonly local: string;
  /** Resolves with the reason once the connection has ended. */
  readonly closed: Promise<RemotingError>;
  readonly #stream: Duplex;
  readonly #options: ServerConnectionOptions;
  readonly #decoder: FrameDecoder;
  readonly #writer: FrameWriter;
  readonly #inFlight: InFlightRequests;
  #resolveClosed: (reason: RemotingError) => void = () => {};
  #reason: RemotingError | undefined;
  /** Frames that were read and wait until the client has taken some of its answers. */
  #waiting: Frame[] = [];
  #reservedBytes = 0;
  /** True: the next turn goes on with what waits. */
  #isScheduled = false;
  #lastReadMs = performance.now();
  #lastProgressMs = performance.now();

  constructor(stream: Duplex, peer: string, local: string, options: ServerConnectionOptions) {
    this.#stream = stream;
    this.peer = peer;
    this.local = local;
    this.#options = options;
    this.#decoder = new FrameDecoder(options.frameBytesMax);
    this.#writer = new FrameWriter(stream, options.frameBytesMax, atEndOfTick, () => {
      this.#lastProgressMs = performance.now();
    });
    this.#inFlight = new InFlightRequests(peer, options.inFlightMax);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('drain', () => this.#resume());
    stream.on('error', (cause) => this.#end('lost the connection', cause));
    stream.on('end', () => this.#end('closed the connection'));
    stream.on('close', () => this.#end('closed the connection'));
    if (stream.destroyed) this.#end('closed the connection');
  }

  get isOpen(): boolean {
    return this.#reason === undefined;
  }

  /** True while the client has more bytes to take than it may leave: nothing large should be made for it. */
  get isBackedUp(): boolean {
    return this.#writer.unsentBytes + this.#reservedBytes >= this.#options.unsentBytesMax;
  }

  /**
   * Counts an answer that was made and is not yet given, because it waits for something: many of them made side by side would be more
   * than the client may leave. @param until What it waits for.
   */
  reserve(bytes: number, until: Promise<unknown>): void {
    this.#reservedBytes += bytes;
    const release = (): void => {
      // By the next turn it was given, and counts as unsent.
      setImmediate(() => {
        const wasBackedUp = this.isBackedUp;
        this.#reservedBytes -= bytes;
        if (wasBackedUp) this.#resume();
      });
    };
    until.then(release, release);
  }

  /**
   * Asks the client and waits for its reply, whatever its code.
   * @throws RemotingError `timeout`, `cancelled`, `closed` or `overloaded`.
   */
  invoke(content: CommandContent, deadline: Deadline): Promise<Command> {
    return new Promise((resolve, reject) => {
      this.#checkWritable();
      const write = (opaque: number): void => this.#writer.write(requestOf(content, opaque, 0), Serialization.JSON);
      this.#inFlight.request(write, deadline, { replied: resolve, failed: reject });
    });
  }

  /**
   * Tells the client something that it does not answer.
   * @throws RemotingError `closed` or `overloaded` when it was not written.
   */
  sendOneWay(content: CommandContent): void {
    this.#checkWritable();
    const command = requestOf(content, this.#inFlight.nextOpaque(), CommandFlag.ONE_WAY);
    this.#writer.write(command, Serialization.JSON);
  }

  /** Closes the connection where its client has been silent, or has taken nothing, for too long. To be called every few seconds. */
  checkProgress(): void {
    const nowMs = performance.now();
    const { idleMsMax, stalledMsMax } = this.#options;
    if (this.#writer.unsentBytes === 0) this.#lastProgressMs = nowMs;
    if (nowMs - this.#lastProgressMs > stalledMsMax) this.close('took no answers for too long');
    else if (nowMs - this.#lastReadMs > idleMsMax) this.close('was silent for too long');
  }

  /** Ends the connection at once. */
  close(why = 'was told to go'): void {
    this.#end(why);
  }

  #checkWritable(): void {
    const address = this.peer;
    if (!this.isOpen) throw new RemotingError('closed', `the connection to ${address} is closed`, { address });
    if (this.isBackedUp) throw new RemotingError('overloaded', `${address} does not take what is sent`, { address });
  }

  #receive(chunk: Buffer): void {
    this.#lastReadMs = performance.now();
    try {
      for (const frame of this.#decoder.push(chunk)) this.#waiting.push(frame);
    } catch (cause) {
      // What came whole before is not worked on either: the client may be anything.
      this.#waiting = [];
      this.#end('sent bytes that are not the remoting protocol', cause);
      return;
    }
    if (!this.#isScheduled) this.#work();
  }

  /** Goes on after the client took what it had left. */
  #resume(): void {
    this.#work();
    if (this.isOpen && !this.isBackedUp) this.#options.onDrained?.(this);
  }

  /** Works on some of what was read, as long as the client takes the answers; reads on when nothing is left. */
  #work(): void {
    const end = Math.min(this.#waiting.length, framesPerTurnMax);
    let next = 0;
    while (next < end && this.isOpen && !this.isBackedUp) {
      const frame = this.#waiting[next];
      next += 1;
      if (frame !== undefined) this.#take(frame);
    }
    this.#waiting = next === this.#waiting.length ? [] : this.#waiting.slice(next);
    if (!this.isOpen) return;
    if (this.#waiting.length === 0) {
      if (this.#stream.isPaused()) this.#stream.resume();
      return;
    }
    this.#stream.pause();
    if (!this.isBackedUp) this.#workNextTurn();
  }

  #workNextTurn(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#work();
    });
  }

  #take(frame: Frame): void {
    let command: Command;
    try {
      command = decodeCommand(frame);
    } catch (cause) {
      this.#end('sent a header that makes no sense', cause);
      return;
    }
    if (isReply(command)) this.#inFlight.take(command);
    else this.#handle(command, serializationOf(frame));
  }

  #handle(request: Command, serialization: Serialization): void {
    try {
      const answer = this.#options.onRequest(request, this);
      if (!(answer instanceof Promise)) this.#answer(request, answer, serialization);
      else
        answer.then(
          (settled) => this.#answer(request, settled, serialization),
          (error: unknown) => this.#mistake(request, error, serialization),
        );
    } catch (error) {
      this.#mistake(request, error, serialization);
    }
  }

  #mistake(request: Command, error: unknown, serialization: Serialization): void {
    this.#options.onMistake(error, request);
    const answer = { code: ResponseCode.SYSTEM_ERROR, remark: `request code ${request.code} failed` };
    this.#answer(request, answer, serialization);
  }

  /** @param serialization As the client asked. */
  #answer(request: Command, answer: Answer | undefined, serialization: Serialization): void {
    if (answer === undefined || isOneWay(request) || !this.isOpen) return;
    try {
      this.#writer.write(replyTo(request, answer), serialization);
    } catch (cause) {
      this.#end('asked for more than a frame holds', cause);
    }
  }

  #end(why: string, cause?: unknown): void {
    if (this.#reason !== undefined) return;
    const address = this.peer;
    this.#reason = new RemotingError('closed', `${address} ${why}`, { address, cause });
    this.#waiting = [];
    this.#inFlight.rejectAll(this.#reason);
    this.#stream.destroy();
    this.#resolveClosed(this.#reason);
  }
}
