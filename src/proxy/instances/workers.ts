import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import type { Readiness } from '../port/status-server.ts';
import { SealError } from '../session/seal.ts';
import type { WorkerMetricsReader } from './summed-metrics.ts';
import type { WorkerOrder, WorkerQuestion, WorkerQuestions, WorkerReport, WorkerStart } from './worker-messages.ts';

/** First and longest pause before a worker that ended is replaced, in ms; each one that ends soon doubles it. */
const restartPauseMs = 100;
const restartPauseMsMax = 10_000;
/** A worker that served for so long did not end for how it was started, in ms. */
const soundMs = 10_000;
/** Longest wait for an answer of a worker, in ms: one that is that busy counts as none. */
const answerTimeoutMs = 2_000;
/** The same for what it is to do for another instance, in ms. */
const peerTimeoutMs = 10_000;
/** What workers have beyond the drain to give messages back, in ms. */
const stopGraceMs = 5_000;

/** A worker that could not be started, with what its user can do about it. */
export class WorkerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkerError';
  }
}

/** A worker that serves. */
interface Serving {
  readonly worker: Worker;
  readonly id: string;
}

/** The processes that serve the one port: each is replaced when it ends, until all are told to. */
export class Workers implements WorkerMetricsReader {
  readonly #start: WorkerStart;
  readonly #log: Log;
  readonly #serving = new Set<Serving>();
  readonly #alive = new Set<Worker>();
  /** Who waits for which answer. */
  readonly #questions = new Map<number, (value: unknown) => void>();
  #questionCount = 0;
  #pauseMs = restartPauseMs;
  #stopping = false;

  private constructor(start: WorkerStart, log: Log) {
    this.#start = start;
    this.#log = log;
  }

  /** Resolves when all of them serve. @throws WorkerError when one cannot. */
  static async start(count: number, start: WorkerStart, log: Log): Promise<Workers> {
    cluster.setupPrimary({ serialization: 'advanced' });
    const workers = new Workers(start, log);
    try {
      await Promise.all(Array.from({ length: count }, () => workers.#fork()));
      return workers;
    } catch (error) {
      await workers.stop(0);
      throw error;
    }
  }

  /** Ready while one of them is. */
  async ready(): Promise<Readiness> {
    if (this.#stopping) return { ready: false, reason: 'the proxy is shutting down' };
    const states = await this.#askAll('ready');
    return states.find(({ ready }) => ready) ?? states[0] ?? { ready: false, reason: 'no worker serves' };
  }

  metrics() {
    return this.#askAll('metrics');
  }

  prometheus() {
    return this.#askAll('prometheus');
  }

  /** As `RunningProxy.answerPeer`, of whichever worker has this id. */
  async answerPeer(id: string, text: string): Promise<string | undefined> {
    const serving = [...this.#serving].find((each) => each.id === id);
    if (serving === undefined) return undefined;
    const answered = await this.#ask(serving, 'peer', text, peerTimeoutMs);
    if (answered === undefined) throw new Error('a worker did not answer');
    if (answered.value === undefined) throw new SealError();
    return answered.value;
  }

  /** All look at once whether files that settings name have changed. */
  checkFiles(): void {
    this.#tellAll({ order: 'checkFiles' });
  }

  /** Resolves when all have ended; one that takes much longer than that is killed. */
  async stop(drainTimeoutMs: number): Promise<void> {
    this.#stopping = true;
    this.#tellAll({ order: 'stop', drainTimeoutMs });
    const given = new AbortController();
    const ended = [...this.#alive].map(
      (worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())),
    );
    const late = sleep(drainTimeoutMs + stopGraceMs, undefined, given).catch(() => {});
    await Promise.race([Promise.all(ended), late]);
    given.abort();
    for (const worker of this.#alive) worker.process.kill('SIGKILL');
    await Promise.all(ended);
  }

  /** Resolves when it serves. @throws WorkerError when it ends before. */
  #fork(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = cluster.fork();
      const forkedMs = performance.now();
      let serving: Serving | undefined;
      let reason = 'it ended before it served';
      this.#alive.add(worker);
      worker.on('error', (err) => this.#log.warn({ pid: worker.process.pid, err }, 'a worker cannot be talked to'));
      worker.on('message', (message: WorkerReport) => {
        if (message.report === 'waits') worker.send(this.#start);
        else if (message.report === 'answer') this.#questions.get(message.number)?.(message.value);
        else if (message.report === 'failed') reason = message.message;
        else {
          serving = { worker, id: message.id };
          this.#serving.add(serving);
          resolve();
        }
      });
      worker.once('exit', (code, signal) => {
        this.#alive.delete(worker);
        if (serving === undefined) reject(new WorkerError(reason));
        else {
          this.#serving.delete(serving);
          this.#noteEnd(worker, { code, signal, livedMs: performance.now() - forkedMs });
        }
      });
    });
  }

  #noteEnd({ process: { pid } }: Worker, { livedMs, ...how }: End): void {
    if (this.#stopping) return;
    if (livedMs >= soundMs) this.#pauseMs = restartPauseMs;
    this.#log.error({ pid, ...how, pauseMs: this.#pauseMs }, 'a worker has ended and is replaced');
    void this.#replace();
  }

  /** Tries until it serves. Never fails. */
  async #replace(): Promise<void> {
    for (;;) {
      const pauseMs = this.#pauseMs;
      this.#pauseMs = Math.min(restartPauseMsMax, pauseMs * 2);
      await sleep(pauseMs);
      if (this.#stopping) return;
      try {
        await this.#fork();
        this.#log.info({}, 'a new worker serves');
        return;
      } catch (err) {
        if (!this.#stopping)
          this.#log.error({ err, pauseMs: this.#pauseMs }, 'a worker cannot be replaced; trying again');
      }
    }
  }

  #tellAll(order: WorkerOrder): void {
    for (const worker of this.#alive) worker.send(order, () => {});
  }

  async #askAll<Name extends keyof WorkerQuestions>(question: Name): Promise<WorkerQuestions[Name][]> {
    const answers = await Promise.all([...this.#serving].map((each) => this.#ask(each, question, '', answerTimeoutMs)));
    return answers.flatMap((answered) => (answered === undefined ? [] : [answered.value]));
  }

  /** Undefined when it does not answer. */
  async #ask<Name extends keyof WorkerQuestions>(
    { worker }: Serving,
    question: Name,
    text: string,
    timeoutMs: number,
  ): Promise<{ readonly value: WorkerQuestions[Name] } | undefined> {
    this.#questionCount += 1;
    const number = this.#questionCount;
    const given = new AbortController();
    const answered = new Promise<{ readonly value: WorkerQuestions[Name] }>((resolve) => {
      // A worker is the same program, and answers what it was asked.
      this.#questions.set(number, (value) => resolve({ value: value as WorkerQuestions[Name] }));
    });
    const asked: WorkerQuestion = { question, number, text };
    worker.send(asked, () => {});
    try {
      return await Promise.race([answered, sleep(timeoutMs, undefined, given).catch(() => undefined)]);
    } finally {
      given.abort();
      this.#questions.delete(number);
    }
  }
}

interface End {
  readonly code: number | null;
  readonly signal: string | null;
  readonly livedMs: number;
}
