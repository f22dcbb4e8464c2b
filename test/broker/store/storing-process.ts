import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { Changes } from '../../support/changes.ts';
import { compileSource } from '../../support/compiled-source.ts';

const source = fileURLToPath(new URL('../../../src/', import.meta.url));
const program = fileURLToPath(new URL('storing-program.mjs', import.meta.url));
const waitMs = 20_000;

/** The store as JavaScript, in a folder. */
export class CompiledStore {
  readonly folder = mkdtempSync(join(tmpdir(), 'compiled-store-'));

  constructor() {
    const below = (folder: string): string[] =>
      readdirSync(join(source, folder))
        .filter((name) => name.endsWith('.ts'))
        .map((name) => `${folder}/${name}`);
    compileSource(this.folder, ['broker/clock.ts', ...below('broker/store'), ...below('remoting')]);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface StoringOptions {
  readonly directory: string;
  readonly flush: 'async' | 'sync';
  readonly inFlight: number;
  readonly firstNumber: number;
  readonly count?: number;
  /** What to run it with, instead of directly. */
  readonly command?: readonly string[];
}

/** A process that stores messages, and what it says of them. */
export class StoringProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #changes = new Changes();
  /** Queue offsets of what was stored, by number. */
  readonly stored = new Map<number, number>();
  /** Kinds of errors, by number. */
  readonly failed = new Map<number, string>();
  /** What else it wrote. */
  readonly said: string[] = [];

  constructor(compiled: CompiledStore, options: StoringOptions) {
    const { directory, flush, inFlight, firstNumber, count, command = [] } = options;
    const numbers = [inFlight, firstNumber, ...(count === undefined ? [] : [count])].map(String);
    const [file = '', ...args] = [...command, process.execPath, program, compiled.folder, directory, flush, ...numbers];
    this.#child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ended = once(this.#child, 'close');
    onTestFinished(() => this.kill());
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
  }

  #take(line: string): void {
    const [kind = '', number, fact = ''] = line.split(' ');
    if (kind === 'ok') this.stored.set(Number(number), Number(fact));
    else if (kind === 'failed') this.failed.set(Number(number), fact);
    else this.said.push(line);
    this.#changes.notify();
  }

  /** Waits until something holds. */
  until(holds: () => boolean): Promise<true> {
    const found = (): string => `${this.stored.size} stored, ${this.failed.size} failed, said: ${this.said}`;
    return this.#changes.until(() => holds() || undefined, waitMs, found);
  }

  /** Ends it in the middle of whatever it does; everything that it wrote has been read then. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
