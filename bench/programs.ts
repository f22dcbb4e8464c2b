/** Programs that the benchmark starts: servers that say where they are, and clients that say what they measured. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { startGuard } from '../test/rocketmq/guard.ts';

export interface Program {
  readonly pid: number;
  /** Ends it, and waits until it has gone. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export interface Spoken extends Program {
  /** The lines of JSON that it prints, each as an object. */
  readonly events: AsyncIterator<Readonly<Record<string, unknown>>>;
}

/** Starts a program; its errors are shown, and it does not outlive this process. */
export function startProgram([command = '', ...parameters]: readonly string[], options: SpawnOptions = {}): Spoken {
  const child = spawn(command, parameters, { ...options, stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error(`${command} has no output`);
  const guard = startGuard();
  guard.watch([child]);
  child.once('exit', () => guard.release());
  const lines = createInterface({ input: child.stdout });
  return { pid: child.pid ?? 0, events: eventsOf(lines), end: (signal = 'SIGTERM') => endOf(child, signal) };
}

/** The first line of a server. @throws Error that names it where it ended before. */
export async function firstEvent(program: Spoken, name: string): Promise<Readonly<Record<string, unknown>>> {
  const { value, done } = await program.events.next();
  if (done === true) throw new Error(`${name} ended before it said where it is`);
  return value;
}

async function* eventsOf(lines: Interface): AsyncGenerator<Readonly<Record<string, unknown>>> {
  for await (const line of lines) if (line.startsWith('{')) yield JSON.parse(line);
}

async function endOf(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.stdin?.end();
  child.kill(signal);
  await exit;
}
