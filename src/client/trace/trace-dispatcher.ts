import { Deadline } from '../../remoting/deadline.ts';
import type { ClientLog } from '../options.ts';
import type { OutgoingMessage } from '../send/outgoing-message.ts';
import type { TraceRecord } from './trace-format.ts';

export interface TraceDispatcherOptions {
  /** Where traces go; brokers have `RMQ_SYS_TRACE_TOPIC` where `traceTopicEnable=true`. */
  readonly topic: string;
  /** Records that may wait to be sent; one more is dropped. */
  readonly waitingMax: number;
  /** Records of one message. */
  readonly batchCountMax: number;
  /** Longest time that a record waits for others, in ms. */
  readonly delayMs: number;
}

/** As Java's clients, which flush after 5 s: a second shows traces sooner at little cost. */
export const traceDispatcherDefaults = { waitingMax: 2_048, batchCountMax: 20, delayMs: 1_000 } as const;

/** Most messages with traces under way at once: more would mean that the brokers cannot keep up. */
const sendsInFlightMax = 4;
const sendTimeoutMs = 5_000;
/** What closing waits for traces that were not sent yet, in ms. */
const closeTimeoutMs = 3_000;
/** Text in a message, in characters; the records behind go into the next one (Java `AsyncTraceDispatcher.maxMsgSize`). */
const textLengthMax = 128_000;
/** Characters of the keys of a message with traces: all of its properties take 32,767 bytes at most. */
const keysLengthMax = 8_000;

/** Sends traces in the background, many in one message. It never slows or fails what is traced: what it cannot send it drops and counts. */
export class TraceDispatcher {
  readonly #send: (message: OutgoingMessage, deadline: Deadline) => Promise<unknown>;
  readonly #options: TraceDispatcherOptions;
  readonly #log: ClientLog;
  readonly #waiting: TraceRecord[] = [];
  readonly #sending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #droppedCount = 0;

  constructor(
    send: (message: OutgoingMessage, deadline: Deadline) => Promise<unknown>,
    options: TraceDispatcherOptions,
    log: ClientLog,
  ) {
    this.#send = send;
    this.#options = options;
    this.#log = log;
  }

  /** Records that were dropped, because too many waited or the brokers did not take them. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  append(record: TraceRecord): void {
    if (this.#isClosed || this.#waiting.length >= this.#options.waitingMax) {
      this.#droppedCount += 1;
      return;
    }
    this.#waiting.push(record);
    if (this.#waiting.length >= this.#options.batchCountMax) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), this.#options.delayMs).unref();
  }

  /** Sends what waits, for 3 s at most; what comes later is dropped. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const deadline = Deadline.after(closeTimeoutMs);
    while (this.#waiting.length > 0 || this.#sending.size > 0) {
      this.#flush();
      try {
        await deadline.wait(Promise.race(this.#sending), 'sending the last traces');
      } catch {
        this.#droppedCount += this.#waiting.length;
        return;
      }
    }
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0 && this.#sending.size < sendsInFlightMax) {
      const sending = this.#sendBatch(this.#take()).finally(() => {
        this.#sending.delete(sending);
        if (this.#waiting.length >= this.#options.batchCountMax || this.#isClosed) this.#flush();
        else if (this.#waiting.length > 0)
          this.#timer ??= setTimeout(() => this.#flush(), this.#options.delayMs).unref();
      });
      this.#sending.add(sending);
    }
  }

  /** The next records that fit one message, at least one. */
  #take(): readonly TraceRecord[] {
    let length = 0;
    let count = 0;
    for (const { text } of this.#waiting.slice(0, this.#options.batchCountMax)) {
      length += text.length;
      if (count > 0 && length > textLengthMax) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #sendBatch(records: readonly TraceRecord[]): Promise<void> {
    const body = Buffer.from(records.map(({ text }) => text).join(''));
    const message = { topic: this.#options.topic, body, keys: keysOf(records), delivery: { kind: 'now' } } as const;
    try {
      await this.#send(message, Deadline.after(sendTimeoutMs));
    } catch (error) {
      this.#droppedCount += records.length;
      this.#log.debug({ err: error, count: records.length, topic: message.topic }, 'message traces were not sent');
    }
  }
}

/** By which the message is found; message ids come first, so that there is room for them. */
function keysOf(records: readonly TraceRecord[]): string {
  const ids = records.flatMap(({ keys }) => keys.slice(0, 1));
  const others = records.flatMap(({ keys }) => keys.slice(1));
  const kept: string[] = [];
  let length = 0;
  for (const key of new Set([...ids, ...others])) {
    if (length + key.length + 1 > keysLengthMax) continue;
    length += key.length + 1;
    kept.push(key);
  }
  return kept.join(' ');
}
