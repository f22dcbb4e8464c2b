import { randomBytes } from 'node:crypto';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Code } from '@connectrpc/connect';
import type { Claim } from '../../client/receipt.ts';
import type { Log } from '../../log.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { failure } from '../rpc/failures.ts';
import { type Sealer, sealedCharsMax } from '../session/seal.ts';
import type { PeerAddress } from './instance.ts';
import {
  openAnswer,
  type PeerOutcome,
  type PeerQuestion,
  type Settlement,
  sealQuestion,
  settlementsMax,
} from './peer-messages.ts';

/** Where a process answers others; its id follows. */
export const peerPath = '/peer/';

/** Longest wait for a connection to another instance, in ms: it is near, or it has gone. */
const connectTimeoutMs = 1_000;
/** Longest wait for its answer, in ms: by then it has its own from the broker. */
const answerTimeoutMs = 10_000;
/** How long one that could not be reached is not tried again, in ms. */
const unreachableMs = 1_000;
/** Below the time after which status servers close idle connections. */
const idleSocketMs = 3_000;
/** Most connections to one instance. */
const socketsMax = 8;

/** Whose message it is, and what is to be done with it. */
export interface PeerRequest {
  readonly peer: PeerAddress;
  readonly callerName: string;
  readonly consumerId: string;
  readonly settlement: Settlement;
}

/** `gone`: nobody there knows of the message, so it may be settled here. */
export type PeerReply = 'gone' | { readonly receipt: Claim | undefined };

interface Pending {
  readonly request: PeerRequest;
  readonly resolve: (reply: PeerReply) => void;
  readonly reject: (error: unknown) => void;
}

/** The process did not get the question. */
class NotAskedError extends Error {}

/**
 * Has messages settled by the process that handed them out: it gives back, when a stream ends, what it does not know to be acknowledged;
 * it alone knows of renewals; and by pull nobody else can acknowledge. What comes in one turn of the event loop goes as one request.
 */
export class Peers {
  readonly #sealer: Sealer;
  readonly #log: Log;
  readonly #agent = new Agent({ keepAlive: true, timeout: idleSocketMs, maxSockets: socketsMax });
  readonly #pending = new Map<string, Pending[]>();
  /** Addresses that could not be reached, and until when they are not tried. */
  readonly #unreachable = new Map<string, number>();

  constructor(sealer: Sealer, log: Log) {
    this.#sealer = sealer;
    this.#log = log;
  }

  /** @throws ConnectError as it failed there, or OUTCOME_UNKNOWN for what must not be done twice; RemotingError `timeout`, `cancelled`. */
  settle(request: PeerRequest, deadline: Deadline): Promise<PeerReply> {
    const { peer, callerName, consumerId } = request;
    if ((this.#unreachable.get(peer.address) ?? 0) > performance.now()) return Promise.resolve('gone');
    const key = JSON.stringify([peer.id, peer.address, callerName, consumerId]);
    const reply = new Promise<PeerReply>((resolve, reject) => {
      const pending = this.#pending.get(key);
      const entry = { request, resolve, reject };
      if (pending !== undefined) {
        pending.push(entry);
        return;
      }
      this.#pending.set(key, [entry]);
      setImmediate(() => this.#flush(key));
    });
    return deadline.wait(reply, 'another instance, which handed out the message');
  }

  close(): void {
    this.#agent.destroy();
  }

  #flush(key: string): void {
    const pending = this.#pending.get(key) ?? [];
    this.#pending.delete(key);
    for (let start = 0; start < pending.length; start += settlementsMax)
      void this.#ask(pending.slice(start, start + settlementsMax));
  }

  /** Never fails: each of them is told. */
  async #ask(pending: readonly Pending[]): Promise<void> {
    const [first] = pending;
    if (first === undefined) return;
    const { peer, callerName, consumerId } = first.request;
    const settlements = pending.map(({ request: { settlement } }) => settlement);
    const nonce = randomBytes(12).toString('base64url');
    const question: PeerQuestion = { nonce, callerName, consumerId, timeoutMs: answerTimeoutMs, settlements };
    try {
      const answer = await this.#send(peer, sealQuestion(this.#sealer, question));
      const outcomes = answer === undefined ? undefined : openAnswer(this.#sealer, answer, question);
      for (const [index, each] of pending.entries()) tell(each, outcomes?.[index]);
    } catch (error) {
      for (const each of pending) this.#tellLost(each, error);
    }
  }

  /** Undefined where that process has gone. @throws NotAskedError; Error when it is not known whether it was asked. */
  async #send({ id, address }: PeerAddress, body: string): Promise<string | undefined> {
    const { status, text } = await post(this.#agent, `http://${address}${peerPath}${id}`, body).catch((error) => {
      if (!(error instanceof NotAskedError)) throw error;
      if (isRefused(error.cause)) return { status: 404, text: '' };
      this.#noteUnreachable(address, error.cause);
      throw error;
    });
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`another instance answered with status ${status}`);
    return text;
  }

  #noteUnreachable(address: string, err: unknown): void {
    const nowMs = performance.now();
    for (const [each, untilMs] of this.#unreachable) if (untilMs <= nowMs) this.#unreachable.delete(each);
    this.#unreachable.set(address, nowMs + unreachableMs);
    this.#log.warn(
      { address, err },
      'another instance cannot be reached at its METRICS_PORT, so acks of what it handed out are done here: where it lives, ' +
        'it may give such messages back, and they come twice. Let instances reach each other, or set PROXY_PEER_HOST',
    );
  }

  #tellLost({ request, resolve, reject }: Pending, error: unknown): void {
    // An ack may be done twice.
    if (error instanceof NotAskedError || request.settlement.kind === 'ack') resolve('gone');
    else {
      const text = 'the instance that handed out the message did not answer: it may be given back, or stay invisible';
      reject(failure(Code.Unavailable, 'OUTCOME_UNKNOWN', text, error));
    }
  }
}

function tell({ resolve, reject }: Pending, outcome: PeerOutcome | undefined): void {
  if (outcome === undefined) resolve('gone');
  else if ('receipt' in outcome) resolve(outcome);
  else reject(outcome.failure);
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** @throws NotAskedError where there was no connection; Error. */
function post(agent: Agent, url: string, body: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', agent, headers });
    let isConnected = false;
    const timer = setTimeout(() => sent.destroy(new Error('it does not answer')), answerTimeoutMs);
    watchConnection(sent, () => {
      isConnected = true;
    });
    sent.on('error', (cause) => reject(isConnected ? cause : new NotAskedError('no connection', { cause })));
    sent.on('response', (response) => void readReply(response).then(resolve, reject));
    sent.once('close', () => clearTimeout(timer));
    sent.end(body);
  });
}

function watchConnection(sent: ClientRequest, onConnected: () => void): void {
  const timer = setTimeout(() => sent.destroy(new Error('it takes no connection')), connectTimeoutMs);
  const connected = (): void => {
    clearTimeout(timer);
    onConnected();
  };
  sent.once('close', () => clearTimeout(timer));
  sent.once('socket', (socket) => (socket.connecting ? socket.once('connect', connected) : connected()));
}

async function readReply(response: IncomingMessage): Promise<Reply> {
  let text = '';
  for await (const chunk of response) {
    text += chunk;
    if (text.length > sealedCharsMax) throw new Error('its answer is too long');
  }
  return { status: response.statusCode ?? 0, text };
}
