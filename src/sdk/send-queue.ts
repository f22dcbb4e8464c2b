import { EachTurn } from './each-turn.ts';
import type { CallOptions, Draft, SendResult } from './message.ts';
import { cancelledError, MQError, toMQError } from './mq-error.ts';

/** Most messages of one SendMessages. */
export const batchCountMax = 1_000;
/** Most bytes of one SendMessages, of which the proxy takes 5 MiB. A single message may have more. */
export const batchBytesMax = 4_194_304;
/** What a message takes besides its texts: field headers, mostly; twelve more for each property. */
const messageOverheadBytes = 128;
const propertyOverheadBytes = 12;

/** A message that waits to be sent. */
export interface QueuedSend {
  readonly draft: Draft;
  /** When it has to be sent: ms since 1970. */
  readonly endsAtMs: number;
  readonly signal: AbortSignal | undefined;
  /** Sent by a call of its own. */
  readonly isAlone: boolean;
  readonly bytes: number;
  readonly resolve: (result: SendResult) => void;
  readonly reject: (error: MQError) => void;
}

/** Sends messages by one call, and settles each. Never fails. */
export type SendTogether = (batch: readonly QueuedSend[]) => Promise<void>;

/** Settles a message that goes alone. Never fails. */
export async function settleBy({ resolve, reject }: QueuedSend, work: () => Promise<SendResult>): Promise<void> {
  try {
    resolve(await work());
  } catch (error) {
    reject(toMQError(error));
  }
}

/**
 * Puts the sends of one turn of the event loop into as few calls as can be. A message with a sharding key waits for those of the same key
 * that are under way: what is sent by two calls at once has no order.
 */
export class SendQueue {
  readonly #send: SendTogether;
  readonly #isBatching: boolean;
  readonly #turns = new EachTurn<QueuedSend>((sends) => this.#start(sends));
  readonly #busyKeys = new Set<string>();
  /** Behind others of their key, in order. */
  #waiting: QueuedSend[] = [];

  /** @param isBatching false: each message goes by a call of its own. */
  constructor(send: SendTogether, isBatching: boolean) {
    this.#send = send;
    this.#isBatching = isBatching;
  }

  /** @throws MQError. */
  add(draft: Draft, { timeoutMs, signal }: CallOptions, timeoutMsDefault: number): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      this.#turns.add({
        draft,
        endsAtMs: Date.now() + (timeoutMs ?? timeoutMsDefault),
        signal,
        // What ends one message's call must not end others'.
        isAlone: !this.#isBatching || timeoutMs !== undefined || signal !== undefined || isRefusedAlone(draft),
        bytes: bytesOf(draft),
        resolve,
        reject,
      });
    });
  }

  #start(sends: readonly QueuedSend[]): void {
    const queued = [...this.#waiting, ...sends].filter(isInTime);
    this.#waiting = [];
    let batch: QueuedSend[] = [];
    let batchBytes = 0;
    const sendBatch = (): void => {
      if (batch.length > 0) void this.#sendBatch(batch);
      batch = [];
      batchBytes = 0;
    };
    for (const send of queued) {
      const { shardingKey } = send.draft;
      const isFull = batch.length === batchCountMax || batchBytes + send.bytes > batchBytesMax;
      // One of its key may be in the batch, and goes first.
      if (isFull || (send.isAlone && shardingKey !== '')) sendBatch();
      if (this.#busyKeys.has(shardingKey)) this.#waiting.push(send);
      else if (send.isAlone) void this.#sendBatch([send]);
      else {
        batch.push(send);
        batchBytes += send.bytes;
      }
    }
    sendBatch();
  }

  async #sendBatch(batch: readonly QueuedSend[]): Promise<void> {
    const keys = batch.map(({ draft }) => draft.shardingKey).filter((key) => key !== '');
    for (const key of keys) this.#busyKeys.add(key);
    await this.#send(batch);
    for (const key of keys) this.#busyKeys.delete(key);
    if (keys.length > 0 && this.#waiting.length > 0) this.#start([]);
  }
}

/** Otherwise it is rejected: nothing of it was sent. */
function isInTime({ signal, endsAtMs, reject }: QueuedSend): boolean {
  if (signal?.aborted === true) reject(cancelledError(signal));
  else if (Date.now() >= endsAtMs) {
    reject(
      new MQError('DEADLINE_EXCEEDED', 'NOT_STORED', 'the message was not sent: others of its key took all the time'),
    );
  } else return true;
  return false;
}

/** The call for it alone refuses an ordered message without a key; a batch would take it. */
function isRefusedAlone({ kind, shardingKey }: Draft): boolean {
  return kind === 'ordered' && shardingKey === '';
}

function bytesOf({ body, tag, properties, messageKey, shardingKey }: Draft): number {
  const entries = Object.entries(properties);
  const texts = [tag, messageKey, shardingKey, ...entries.flat()];
  return texts.reduce(
    (bytes, text) => bytes + Buffer.byteLength(text),
    Buffer.byteLength(body) + messageOverheadBytes + entries.length * propertyOverheadBytes,
  );
}
