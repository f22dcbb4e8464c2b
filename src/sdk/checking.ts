import type { TransactionsPort } from './gateway.ts';
import type { Logger } from './mq-config.ts';
import { invalid, type MQError, toMQError } from './mq-error.ts';
import { resumed } from './resumed.ts';
import { Slots } from './slots.ts';
import type { HalfMessage, TransactionChecker } from './transaction.ts';

/** Checkers of one producer that may be at work at once; what brokers ask beyond that waits. */
export const checkersAtOnceMax = 64;

/** What answering needs of its producer. */
export interface CheckingParts {
  readonly port: TransactionsPort;
  readonly checker: TransactionChecker;
  readonly logger: Logger;
}

/** Answers what brokers ask about transactions, until it is told to stop. */
export class Checking {
  readonly #parts: CheckingParts;
  readonly #slots = new Slots(checkersAtOnceMax);
  readonly #ending = new AbortController();
  readonly #ended: Promise<void>;

  constructor(parts: CheckingParts) {
    this.#parts = parts;
    this.#ended = this.#run();
  }

  /** Takes no more checks, and waits for checkers at work, no longer than so many ms. Never fails. */
  async stop(timeoutMs: number): Promise<void> {
    this.#ending.abort();
    const timer = setTimeout(() => this.#slots.end(), timeoutMs);
    await this.#ended;
    await this.#slots.idle();
    clearTimeout(timer);
  }

  /** Never fails. */
  async #run(): Promise<void> {
    const { port, logger } = this.#parts;
    const { signal } = this.#ending;
    const onBroken = (error: MQError, pauseMs: number): void =>
      logger.warn({ err: error, pauseMs }, 'a stream of transaction checks broke; another one is opened');
    try {
      for await (const check of resumed(() => port.checks(signal), signal, onBroken)) {
        this.#slots.start(() => this.#answer(check));
        await this.#slots.free();
        if (signal.aborted) return;
      }
    } catch (error) {
      logger.error({ err: error }, 'transaction checks are received no more');
    }
  }

  /** Never fails: what is not answered, brokers ask again. */
  async #answer(check: HalfMessage): Promise<void> {
    const { port, checker, logger } = this.#parts;
    const { messageId, transactionHandle } = check;
    try {
      const outcome = await checker(check);
      if (outcome === 'unknown') return;
      if (outcome !== 'commit' && outcome !== 'rollback')
        throw invalid(`the checker returned ${String(outcome)}; it must be commit, rollback or unknown`);
      await port.end(transactionHandle, outcome, {});
    } catch (error) {
      logger.warn({ err: toMQError(error), messageId }, 'a transaction check was not answered: it comes again');
    }
  }
}
