/**
 * Runs programs on the official clients, unmodified, against any name server, and gives their verdicts. Nothing here may import from
 * `src/`: this is the outside judge.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startGuard } from '../guard.ts';
import { buildGo, buildJava, endOf, type JavaClientVersion } from './build.ts';

/** What a program says of one scenario. */
export interface Verdict {
  readonly scenario: string;
  readonly ok: boolean;
  /** Why not; else facts worth reading. */
  readonly detail: string;
  readonly tookMs: number;
}

/** What to run, and against whom. */
export interface RunOptions {
  /** `host:port`. */
  readonly nameServer: string;
  /** Default: all that the program has. */
  readonly scenarios?: readonly string[];
  /** First part of all topic and group names. Default: one that no other run has. */
  readonly prefix?: string;
  /** Signs all requests, and adds the scenario `acl` to the Java programs. */
  readonly credentials?: { readonly accessKey: string; readonly secretKey: string };
  /** For the whole run. Default 3 min; each scenario has 60 s of its own. */
  readonly timeoutMs?: number;
}

const runTimeoutMs = 180_000;
const commandTimeoutMs = 60_000;
/** Characters of a program's error output that an error shows. */
const errorCharsMax = 4_000;

/** Small and quick to start: the judges are short-lived. */
export const jvmOptions = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/**
 * How often clients look for their queues by themselves, 20 s by default: some scenarios wait for it. Others insist that the broker has
 * told them sooner, in 10 s, so it must be longer than that.
 */
const rebalanceOptions = ['-Drocketmq.client.rebalance.waitInterval=15000'];

function programArguments(options: RunOptions): string[] {
  const prefix = options.prefix ?? `judge${Date.now()}`;
  const signed = options.credentials;
  return [
    ...['--name-server', options.nameServer, '--prefix', prefix],
    ...(signed === undefined ? [] : ['--access-key', signed.accessKey, '--secret-key', signed.secretKey]),
    ...(options.scenarios ?? []),
  ];
}

/** Runs scenarios of the Java program with one client version. */
export async function runJava(options: RunOptions & { readonly version: JavaClientVersion }): Promise<Verdict[]> {
  const classPath = await buildJava(options.version);
  const { timeoutMs = runTimeoutMs } = options;
  return inHome(async (home) => {
    const java = [...jvmOptions, ...rebalanceOptions, `-Duser.home=${home}`, '-cp', classPath, 'judge.Judge'];
    return verdictsOf('java', [...java, ...programArguments(options)], { home, timeoutMs });
  });
}

/** Runs scenarios of the Go program. It can't sign: that client's own admin requests are never signed. */
export async function runGo(options: Omit<RunOptions, 'credentials'>): Promise<Verdict[]> {
  const program = await buildGo();
  const { timeoutMs = runTimeoutMs } = options;
  return inHome((home) => verdictsOf(program, programArguments(options), { home, timeoutMs }));
}

/** Runs a program that prints its verdicts as the programs here do. */
export function runProgram(command: string, args: readonly string[]): Promise<Verdict[]> {
  return inHome((home) => verdictsOf(command, args, { home, timeoutMs: runTimeoutMs }));
}

/** Clients write logs and broadcast offsets below their user's home; this one is removed afterwards. */
async function inHome<T>(use: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'official-'));
  try {
    return await use(home);
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Place {
  readonly home: string;
  readonly timeoutMs: number;
}

async function verdictsOf(command: string, args: readonly string[], place: Place): Promise<Verdict[]> {
  const guard = startGuard(place.home);
  const child = spawn(command, args, {
    cwd: place.home,
    env: { ...process.env, HOME: place.home },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: place.timeoutMs,
    killSignal: 'SIGKILL',
  });
  guard.watch([child]);
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = `${errors}${chunk}`.slice(-errorCharsMax)));
  const verdicts: Verdict[] = [];
  createInterface(child.stdout).on('line', (line) => {
    const verdict = parseVerdict(line);
    if (verdict !== undefined) verdicts.push(verdict);
  });
  const failure = await endOf(child);
  guard.release();
  // A program that judges ends with 1 when a verdict is bad; any other bad end is the program's own.
  const isExplained = failure === undefined || (failure === 'ended with 1' && verdicts.some((verdict) => !verdict.ok));
  if (!isExplained)
    throw new Error(`${command} judged ${verdicts.length} scenarios and then ${failure}:\n${errors.trim()}`);
  return verdicts;
}

function parseVerdict(line: string): Verdict | undefined {
  if (!line.startsWith('{"scenario":')) return undefined;
  const value: unknown = JSON.parse(line);
  return isVerdict(value) ? value : undefined;
}

function isVerdict(value: unknown): value is Verdict {
  return typeof value === 'object' && value !== null && 'scenario' in value && 'ok' in value && 'detail' in value;
}

/** One JVM that runs mqadmin commands, each in about half a second. */
export interface Mqadmin {
  /**
   * Runs a command, without `-n`, and gives what it prints, errors included. Besides mqadmin's own there are
   * `@send topic producerGroup count`, `@consume topic group count` and, of brokers of 4.x, `@join topic group count` (the
   * consumer stays until `@leave group`).
   */
  run(...command: readonly string[]): Promise<string>;
  /** Ends the JVM. */
  close(): Promise<void>;
}

/** Starts a JVM for mqadmin commands, of the tools of 5.5.0. */
export async function openMqadmin(options: Omit<RunOptions, 'scenarios'>): Promise<Mqadmin> {
  const classPath = await buildJava('5.5.0');
  const home = await mkdtemp(join(tmpdir(), 'official-'));
  const guard = startGuard(home);
  const java = [...jvmOptions, `-Duser.home=${home}`, '-cp', classPath, 'judge.Mqadmin', ...programArguments(options)];
  const child = spawn('java', java, { cwd: home, stdio: ['pipe', 'pipe', 'pipe'] });
  guard.watch([child]);
  const ended = endOf(child);
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = `${errors}${chunk}`.slice(-errorCharsMax)));
  child.stdin.on('error', () => {});
  const replies = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async run(...command) {
      const isOwn = command[0]?.startsWith('@') === true;
      const line = isOwn ? command : [...command, '-n', options.nameServer];
      child.stdin.write(`${line.join('\t')}\n`);
      const reply = await within(replies.next(), child, command.join(' '));
      if (reply.done === true) throw new Error(`mqadmin ${await ended} at ${command.join(' ')}:\n${errors.trim()}`);
      return outputOf(reply.value);
    },
    async close() {
      child.kill('SIGKILL');
      await ended;
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
      guard.release();
    },
  };
}

async function within<T>(reply: Promise<T>, child: ChildProcess, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`mqadmin had no answer after ${commandTimeoutMs} ms: ${what}`));
    }, commandTimeoutMs);
  });
  try {
    return await Promise.race([reply, late]);
  } finally {
    clearTimeout(timer);
  }
}

function outputOf(line: string): string {
  const value: unknown = JSON.parse(line);
  if (typeof value === 'object' && value !== null && 'output' in value) return String(value.output);
  throw new Error(`mqadmin answered with ${line}`);
}
