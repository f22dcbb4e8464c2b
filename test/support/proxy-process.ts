/** Starts the built proxy as its users do, `node dist/server.js`, on free ports. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startGuard } from '../rocketmq/guard.ts';
import { checkoutDirectory } from '../rocketmq/java.ts';
import { Changes } from './changes.ts';

/** One JSON line of the proxy's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A proxy that serves. */
export interface TestedProxy {
  /** `host:port` of the gRPC port. */
  readonly address: string;
  /** `http://host:port` of the status port. */
  readonly statusUrl: string;
  /** The JSON of `/metrics`. */
  metrics(): Promise<Readonly<Record<string, number>>>;
  /** Ends it at once. */
  stop(): Promise<void>;
}

/** A proxy in a process of its own. */
export interface ProxyProcess extends TestedProxy {
  /** What it has logged so far. */
  readonly log: readonly LogLine[];
  readonly exited: Promise<Exit>;
  /** The first line whose message holds `text`, also one to come. */
  logged(text: string): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  readonly pid: number;
}

const startTimeoutMs = 20_000;
const logTimeoutMs = 30_000;

/** What every proxy has here unless it is told otherwise: free ports, nothing on disk, and no engine of its own. */
const quiet = { GRPC_PORT: '0', METRICS_PORT: '0', PROXY_DATA_DIR: 'memory', PROXY_EMBEDDED: 'off' };

/**
 * Starts the proxy and waits until it serves.
 * @param environment its settings; those of this process are not handed on.
 * @param command what runs it, such as `nsenter` with its parameters. Default: nothing.
 * @throws Error with its output when it ends early.
 */
export async function startProxyProcess(
  environment: Readonly<Record<string, string>>,
  command: readonly string[] = [],
): Promise<ProxyProcess> {
  const [program = '', ...parameters] = [...command, process.execPath, join(checkoutDirectory(), 'dist', 'server.js')];
  const child = spawn(program, parameters, {
    env: { PATH: process.env['PATH'], ...quiet, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const guard = startGuard();
  guard.watch([child]);
  const log = new ProcessLog(child);
  const exited = once(child, 'exit').then(([code, signal]): Exit => {
    guard.release();
    return { code, signal };
  });
  const { grpc, status } = await log.find('the proxy serves', startTimeoutMs);
  return {
    address: String(grpc).replace('http://', ''),
    statusUrl: String(status),
    log: log.lines,
    exited,
    logged: (text) => log.find(text, logTimeoutMs),
    metrics: async () => JSON.parse(await (await fetch(`${status}/metrics`)).text()),
    kill: (signal) => void child.kill(signal),
    // Undefined for one only that could not be started, which has thrown before.
    pid: child.pid ?? -1,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The output of a process, line by line. */
class ProcessLog {
  readonly lines: LogLine[] = [];
  readonly #changes = new Changes();
  #other = '';
  #ended = false;

  constructor({ stdout, stderr }: ChildProcess) {
    for (const output of [stdout, stderr]) {
      if (output === null) throw new Error('the output of the process must be piped');
      createInterface({ input: output }).on('line', (line) => this.#add(line));
    }
    stdout?.once('end', () => {
      this.#ended = true;
      this.#changes.notify();
    });
  }

  find(text: string, timeoutMs: number): Promise<LogLine> {
    const missing = (): string => {
      const shown = [...this.lines.slice(-20).map((line) => JSON.stringify(line)), this.#other].join('\n');
      return `the proxy ${this.#ended ? 'ended' : 'runs'} and did not say "${text}":\n${shown}`;
    };
    const read = (): LogLine | undefined => {
      const line = this.lines.find(({ message }) => String(message).includes(text));
      if (line === undefined && this.#ended) throw new Error(missing());
      return line;
    };
    return this.#changes.until(read, timeoutMs, missing);
  }

  #add(line: string): void {
    try {
      this.lines.push(JSON.parse(line));
    } catch {
      this.#other += `${line}\n`;
    }
    this.#changes.notify();
  }
}
