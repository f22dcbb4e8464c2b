import { Code, type ConnectError } from '@connectrpc/connect';
import type { Cancellation } from '../../basics/ending.ts';
import type { Replies } from '../../grpc/method.ts';
import type { Log } from '../../log.ts';
import { anyone, type Caller, nobody } from '../access/caller.ts';
import type { ClientLimits } from '../access/client-limits.ts';
import type { Tokens } from '../access/tokens.ts';
import type { ProxyMetrics } from '../metrics.ts';
import type { Call, RepliesReader } from './call.ts';
import { failure, toFailure } from './failures.ts';
import { reportFailure } from './reports.ts';
import { type StreamEnd, StreamReplies } from './stream-replies.ts';

/** Who may call, and how much. */
export interface Access {
  /** Unset: everybody. */
  readonly tokens?: Tokens | undefined;
  /** Unset: any number of calls. */
  readonly limits?: ClientLimits | undefined;
}

/** What a call brings with it, whichever way it comes. */
export interface IncomingCall {
  /** Aborted when the caller has gone or its deadline has passed. */
  readonly end: Cancellation;
  /** Whether its own deadline is what aborted it. */
  readonly hasTimedOut: boolean;
  /** What the caller left of its deadline, in ms; undefined where it set none. */
  readonly timeoutMs: number | undefined;
  /** The address that it comes from. */
  readonly address: string;
  /** The header of this name. */
  readonly authorization: string | undefined;
  /** Undefined where nobody can tell. */
  readonly reader: RepliesReader | undefined;
}

/** What balancers and probes call, which have no token; it tells only whether the proxy serves. */
const openRpcs: ReadonlySet<string> = new Set(['HealthCheck', 'Health.Check', 'Health.List', 'Health.Watch']);

/** A unary call that has been counted. */
interface BegunCall {
  readonly name: string;
  readonly incoming: IncomingCall;
  readonly ended: (failed: boolean) => void;
  /** To be called when it ends. */
  leave: () => void;
}

/** How handlers are called: each call is let in, counted, and fails as `failures.ts` says. */
export class Calls {
  readonly #metrics: ProxyMetrics;
  readonly #log: Log;
  readonly #access: Access;
  readonly #addresses = new AddressNames();

  constructor(metrics: ProxyMetrics, log: Log, access: Access) {
    this.#metrics = metrics;
    this.#log = log;
    this.#access = access;
  }

  /** Calls a handler that answers once. What it answers at once needs no promise. */
  unary<Request, Reply>(name: string, handle: (request: Request, call: Call) => Promise<Reply> | Reply) {
    const isOpen = openRpcs.has(name);
    return (request: Request, incoming: IncomingCall): Promise<Reply> | Reply => {
      const ended = this.#metrics.callStarted();
      const begun = { name, incoming, ended, leave: ignore };
      try {
        const call = this.#admit(isOpen, incoming);
        const entered = call.limit === undefined ? ignore : call.limit.tryEnter(call.client, 'unary');
        if (entered === undefined)
          return this.#settled(
            begun,
            this.#enterLater(begun, call, () => handle(request, call)),
          );
        begun.leave = entered;
        const reply = handle(request, call);
        if (reply instanceof Promise) return this.#settled(begun, reply);
        begun.leave();
        ended(false);
        return reply;
      } catch (error) {
        throw this.#failed(begun, error);
      }
    };
  }

  /** For a client that is over its limits. */
  async #enterLater<Reply>(
    begun: BegunCall,
    { limit, client, end }: AdmittedCall,
    handle: () => Promise<Reply> | Reply,
  ): Promise<Reply> {
    begun.leave = (await limit?.enter(client, 'unary', end)) ?? ignore;
    return handle();
  }

  async #settled<Reply>(begun: BegunCall, pending: Promise<Reply>): Promise<Reply> {
    try {
      const reply = await pending;
      begun.leave();
      begun.ended(false);
      return reply;
    } catch (error) {
      throw this.#failed(begun, error);
    }
  }

  /** Ends a call. @returns what its caller is told. */
  #failed({ name, incoming, ended, leave }: BegunCall, error: unknown): ConnectError {
    leave();
    ended(true);
    return this.#reported(name, toFailure(error, incoming.hasTimedOut));
  }

  /** Calls a handler that answers a stream. */
  stream<Request, Reply>(name: string, handle: (request: Request, call: Call) => Replies<Reply>) {
    const isOpen = openRpcs.has(name);
    return (request: Request, incoming: IncomingCall): StreamReplies<Reply> => {
      let ended: (failed: boolean) => void = ignore;
      let leave = ignore;
      let caller: Caller | undefined;
      return new StreamReplies({
        begin: async () => {
          ended = this.#metrics.callStarted('stream');
          const call = this.#admit(isOpen, incoming);
          caller = call.caller;
          if (call.limit !== undefined) leave = await call.limit.enter(call.client, 'stream', call.end);
          return handle(request, call);
        },
        refusal: () => (caller?.hasEnded === true ? tokenChanged() : undefined),
        end: (how) => {
          leave();
          const told = this.#toldOf(how, name, incoming);
          ended(told !== undefined);
          return told;
        },
      });
    };
  }

  /** What the caller of a stream is told of its end. */
  #toldOf(how: StreamEnd, name: string, { end, hasTimedOut }: IncomingCall): ConnectError | undefined {
    if (how === 'left') return undefined;
    // Who has gone cannot be told, and what failed may be the writing to them.
    if (!hasTimedOut && (how === 'done' || end.aborted)) return undefined;
    return this.#reported(name, how === 'done' ? deadlinePassed() : toFailure(how.error, hasTimedOut));
  }

  /** @throws ConnectError UNAUTHENTICATED */
  #admit(isOpen: boolean, incoming: IncomingCall): AdmittedCall {
    const { tokens, limits } = this.#access;
    if (isOpen) return new AdmittedCall(incoming, nobody, '', undefined);
    const caller = tokens?.caller(incoming.authorization ?? null) ?? anyone;
    const client = tokens === undefined ? this.#addresses.nameOf(incoming.address) : `token ${caller.name}`;
    return new AdmittedCall(incoming, caller, client, limits);
  }

  #reported(rpc: string, error: ConnectError): ConnectError {
    reportFailure(this.#log, rpc, error);
    return error;
  }
}

/** What clients without a token are called. The last name is kept, since looking up a new text costs as much as making it. */
class AddressNames {
  #address = '';
  #name = '';

  nameOf(address: string): string {
    if (address !== this.#address) {
      this.#address = address;
      this.#name = `address ${address}`;
    }
    return this.#name;
  }
}

/** A call whose caller is known. */
class AdmittedCall implements Call {
  readonly caller: Caller;
  /** Whose limits count. */
  readonly client: string;
  readonly limit: ClientLimits | undefined;
  readonly #incoming: IncomingCall;

  constructor(incoming: IncomingCall, caller: Caller, client: string, limit: ClientLimits | undefined) {
    this.#incoming = incoming;
    this.caller = caller;
    this.client = client;
    this.limit = limit;
  }

  get end(): Cancellation {
    return this.#incoming.end;
  }

  get timeoutMs(): number | undefined {
    return this.#incoming.timeoutMs;
  }

  get reader(): RepliesReader | undefined {
    return this.#incoming.reader;
  }

  get limitOne(): (() => Promise<() => void>) | undefined {
    const { limit } = this;
    return limit === undefined ? undefined : () => limit.enter(this.client, 'unary', this.end);
  }
}

function deadlinePassed(): ConnectError {
  return failure(Code.DeadlineExceeded, 'DEADLINE', 'the deadline of the call has passed');
}

function tokenChanged(): ConnectError {
  return failure(Code.Unauthenticated, 'TOKEN_REFUSED', 'the token of this stream has changed: receive again');
}

function ignore(): void {}
