import type { Log } from '../../log.ts';
import type { RunningProxy } from '../proxy.ts';
import { SealError } from '../session/seal.ts';
import { Instance } from './instance.ts';
import type { WorkerOrder, WorkerQuestion, WorkerQuestions, WorkerReport, WorkerStart } from './worker-messages.ts';

/** A worker that serves. */
export interface StartedWorker {
  readonly proxy: RunningProxy;
  readonly log: Log;
}

/** A process that serves beside others on the same port, as its primary says. */
export interface WorkerOptions {
  /** @throws what a start throws. */
  readonly start: (start: WorkerStart, instance: Instance) => Promise<StartedWorker>;
  /** What a user reads of a failed start. */
  readonly explain: (error: unknown) => string;
}

/** What a worker gets from its primary, which is the same program. */
type Message = WorkerStart | WorkerOrder | WorkerQuestion;

/** Serves until the primary, or a signal, ends it. */
export function runWorker({ start, explain }: WorkerOptions): void {
  const instance = new Instance();
  let proxy: RunningProxy | undefined;
  // Also while it starts: who listens to nobody may end.
  process.on('message', (message: Message) => {
    if ('options' in message) void begin(message);
    else if (proxy === undefined) {
      if ('order' in message && message.order === 'stop') process.exit(0);
    } else if ('question' in message) void answer(proxy, message, instance.id);
    else if (message.order === 'stop') void stop(proxy, message.drainTimeoutMs);
    else proxy.checkFiles();
  });
  // At a terminal all processes get it; the primary tells its workers what to do.
  process.on('SIGINT', () => {});

  const begin = async (given: WorkerStart): Promise<void> => {
    instance.reachableAt(given.peerAddress);
    try {
      const started = await start(given, instance);
      proxy = started.proxy;
      watch(started, given.options.drainTimeoutMs);
      report({ report: 'serves', id: instance.id });
    } catch (error) {
      report({ report: 'failed', message: explain(error) }, () => process.exit(1));
    }
  };
  // What comes before somebody listens is lost.
  report({ report: 'waits' });
}

function watch({ proxy, log }: StartedWorker, drainTimeoutMs: number): void {
  process.on('SIGTERM', () => void stop(proxy, drainTimeoutMs));
  process.on('unhandledRejection', (error) => {
    proxy.metrics.error();
    log.error({ err: error }, 'a promise failed that nobody waited for');
  });
}

async function stop(proxy: RunningProxy, drainTimeoutMs: number): Promise<void> {
  await proxy.close(drainTimeoutMs);
  process.exit(0);
}

async function answer(proxy: RunningProxy, { question, number, text }: WorkerQuestion, id: string): Promise<void> {
  const { metrics } = proxy;
  const answers: {
    readonly [Name in keyof WorkerQuestions]: () => WorkerQuestions[Name] | Promise<WorkerQuestions[Name]>;
  } = {
    ready: () => proxy.ready(),
    metrics: () => ({ snapshot: metrics.snapshot(), responseCount: metrics.responseCount }),
    prometheus: () => metrics.prometheusParts(),
    peer: () => proxy.answerPeer(id, text).catch(undefinedForStrangers),
  };
  report({ report: 'answer', number, value: await answers[question]() });
}

function undefinedForStrangers(error: unknown): undefined {
  if (error instanceof SealError) return undefined;
  throw error;
}

function report(message: WorkerReport, onSent = (): void => {}): void {
  // Without a primary there is nobody to tell, and this process is about to end.
  process.send?.(message, undefined, {}, onSent);
}
