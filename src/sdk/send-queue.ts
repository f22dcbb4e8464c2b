import { EachTurn } from './each-turn.ts';
import type { CallOptions, Draft, SendResult } from './message.ts';
import { cancelledError, MQError, toMQError } from './mq-error.ts';

/** Most messages of one batch: larger ones are hardly cheaper, and of several under way each is at another place of the way at a time. */
export const batchCountMax = 128;
/** Batches under way at once. What comes meanwhile waits, and leaves together. */
export const batchesMax = 16;
/** Most bytes of one batch, of which the proxy takes 5 MiB. A single message may have more. */
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

/** Sends messages together, and settles each. Never fails. */
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
 * Puts the sends of one turn of the event loop into as few batches as can be. A message with a sharding key waits for those of the same key
 * that are under way: what is sent by two calls at once has no order.
 */
export class SendQueue {
  readonly #send: SendTogether;
  readonly #isBatching: boolean;
  readonly #turns = new EachTurn<QueuedSend>((sends) => this.#start(sends));
  readonly #busyKeys = new Set<string>();
  #batchCount = 0;
  /** Behind others of their key, or behind too many batches; in order. */
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
    const nowMs = Date.now();
    const queued = [...this.#waiting, ...sends].filter((send) => isInTime(send, nowMs));
    this.#waiting = [];
    const waitingKeys = new Set<string>();
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
      if (this.#mustWait(send, waitingKeys)) {
        this.#waiting.push(send);
        if (shardingKey !== '') waitingKeys.add(shardingKey);
      } else if (send.isAlone) void this.#sendWithKeys([send]);
      else {
        batch.push(send);
        batchBytes += send.bytes;
      }
    }
    sendBatch();
  }

  #mustWait({ draft: { shardingKey }, isAlone }: QueuedSend, waitingKeys: ReadonlySet<string>): boolean {
    if (this.#busyKeys.has(shardingKey) || waitingKeys.has(shardingKey)) return true;
    return !isAlone && this.#batchCount >= batchesMax;
  }

  async #sendBatch(batch: readonly QueuedSend[]): Promise<void> {
    this.#batchCount += 1;
    await this.#sendWithKeys(batch);
    this.#batchCount -= 1;
    if (this.#waiting.length > 0) this.#start([]);
  }

  async #sendWithKeys(batch: readonly QueuedSend[]): Promise<void> {
    const keys = batch.map(({ draft }) => draft.shardingKey).filter((key) => key !== '');
    for (const key of keys) this.#busyKeys.add(key);
    await this.#send(batch);
    for (const key of keys) this.#busyKeys.delete(key);
    if (keys.length > 0 && this.#waiting.length > 0) this.#start([]);
  }
}

/** Otherwise it is rejected: nothing of it was sent. */
function isInTime({ signal, endsAtMs, reject }: QueuedSend, nowMs: number): boolean {
  if (signal?.aborted === true) reject(cancelledError(signal));
  else if (nowMs >= endsAtMs) {
    reject(
      new MQError('DEADLINE_EXCEEDED', 'NOT_STORED', 'the message was not sent: others before it took all the time'),
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
