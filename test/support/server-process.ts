import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Changes } from './changes.ts';
import { compileSource } from './compiled-source.ts';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const waitTimeoutMs = 30_000;

const quiet = { GRPC_PORT: '0', METRICS_PORT: '0', PROXY_DATA_DIR: 'memory', PROXY_EMBEDDED: 'off' };

/** The server as it is in `src` now, compiled into a folder of its own. */
export class CompiledServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'server-'));

  constructor() {
    const names = readdirSync('src', { recursive: true, encoding: 'utf8' });
    compileSource(
      join(this.#folder, 'dist'),
      names.filter((name) => name.endsWith('.ts')),
    );
    copyFileSync('package.json', join(this.#folder, 'package.json'));
  }

  /** Starts it with these settings only, on any ports and without an engine unless they say otherwise; killed when the test ends. */
  start(
    environment: Readonly<Record<string, string>> = {},
    args: readonly string[] = [],
    nodeArgs: readonly string[] = [],
  ): ServerProcess {
    const child = spawn(process.execPath, [...nodeArgs, join(this.#folder, 'dist', 'server.js'), ...args], {
      cwd: this.#folder,
      env: { ...quiet, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new ServerProcess(child);
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await server.exited;
    });
    return server;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** A line of its log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A started server, which may end before it serves. */
export class ServerProcess {
  /** All that it wrote. */
  output = '';
  errors = '';
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #changes = new Changes();
  #ended = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk) => {
      this.output += chunk;
      this.#changes.notify();
    });
    child.stderr?.on('data', (chunk) => {
      this.errors += chunk;
    });
    // Not before the last of its output has come.
    this.exited = once(child, 'close').then(([code, signal]) => {
      this.#ended = true;
      this.#changes.notify();
      return { code, signal };
    });
  }

  get log(): readonly LogLine[] {
    return this.output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** The first line whose message holds the text, once it is there. */
  logged(text: string): Promise<LogLine> {
    const missing = (): string => `the server did not say "${text}":\n${this.output}${this.errors}`;
    const read = (): LogLine | undefined => {
      const line = this.log.find(({ message }) => String(message).includes(text));
      if (line === undefined && this.#ended) throw new Error(missing());
      return line;
    };
    return this.#changes.until(read, waitTimeoutMs, missing);
  }

  /** Waits until it serves. */
  async serves(): Promise<{ readonly port: number; readonly grpcUrl: string; readonly statusUrl: string }> {
    const { grpc, status } = await this.logged('the proxy serves');
    return { port: Number(new URL(String(grpc)).port), grpcUrl: String(grpc), statusUrl: String(status) };
  }

  get pid(): number {
    return this.#child.pid ?? Number.NaN;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
