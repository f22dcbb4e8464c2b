/** Programs that the benchmark starts: servers that say where they are, and clients that say what they measured. */
import { type SpawnOptions, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { startGuard } from '../test/rocketmq/guard.ts';

/** Longest that a server may take to say where it is. */
const startMsMax = 60_000;
/** Longest that a program may take to end by itself; this proxy gives calls 10 s. */
const endMsMax = 15_000;

export type Event = Readonly<Record<string, unknown>>;

export interface Program {
  readonly pid: number;
  /** Ends it, and waits until it has gone. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export interface Spoken extends Program {
  /** The lines of JSON that it prints, each as an object. */
  readonly events: AsyncIterator<Event>;
  /** The last line that it wrote of trouble; empty where it wrote none. */
  lastTrouble(): string;
  /** Gives it a line. */
  tell(line: string): void;
}

/** Starts a program; its errors are shown, and it does not outlive this process. */
export function startProgram([command = '', ...parameters]: readonly string[], options: SpawnOptions = {}): Spoken {
  const child = spawn(command, parameters, { ...options, stdio: 'pipe' });
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error(`${command} has no input or output`);
  // What cannot be started, or was told something when it had ended, prints no line: that is noticed.
  for (const source of [child, stdin]) source.on('error', () => {});
  const guard = startGuard();
  guard.watch([child]);
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => {
      guard.release();
      resolve();
    });
  });
  let trouble = '';
  createInterface({ input: stderr }).on('line', (line) => {
    console.error(line);
    if (line.trim() !== '') trouble = line;
  });
  return {
    pid: child.pid ?? 0,
    events: eventsOf(createInterface({ input: stdout })),
    lastTrouble: () => trouble,
    tell: (line) => void stdin.write(`${line}\n`),
    async end(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        stdin.end();
        child.kill(signal);
      }
      const timer = setTimeout(() => child.kill('SIGKILL'), endMsMax);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** The first line of a server. @throws Error that names it where it ended before, or was too slow and was ended. */
export async function firstEvent(program: Spoken, name: string): Promise<Event> {
  const timer = setTimeout(() => void program.end('SIGKILL'), startMsMax);
  const { value, done } = await program.events.next();
  clearTimeout(timer);
  if (done === true) throw new Error(`${name} did not say within ${startMsMax} ms where it is, or ended before`);
  return value;
}

async function* eventsOf(lines: Interface): AsyncGenerator<Event> {
  for await (const line of lines) if (line.startsWith('{')) yield JSON.parse(line);
}
