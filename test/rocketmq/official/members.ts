/** Members of consumer groups on the official clients, unmodified. Nothing here may import from `src/`: this is the outside judge. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startGuard } from '../guard.ts';
import { buildGo, buildJava, endOf, type JavaClientVersion } from './build.ts';
import { jvmOptions } from './official.ts';

/** One message that a member has worked on. */
export interface Handled {
  readonly member: string;
  readonly body: string;
  /** By the clock of this machine, in ms since 1970. */
  readonly beginMs: number;
  readonly endMs: number;
}

/** What a member joins, and how it receives. */
export interface Joining {
  readonly topic: string;
  readonly group: string;
  readonly way: 'concurrently' | 'orderly' | 'pop';
}

/** A program whose push consumers join groups and leave them. */
export interface OfficialMembers {
  /** @param member its name, the instance name of its client too. @throws Error with what the client says, or when it says nothing. */
  join(member: string, joining: Joining): Promise<void>;
  /** Resolves when its client has shut down. @throws Error as `join`. */
  leave(member: string): Promise<void>;
  /** Ends the program; whatever it has told is known then. */
  close(): Promise<void>;
}

export interface OfficialMembersOptions {
  /** `host:port`. */
  readonly nameServer: string;
  readonly onHandled: (handled: Handled) => void;
}

/** Longest time for a client to start or to shut down, its JVM too. */
const commandTimeoutMs = 60_000;
const endTimeoutMs = 10_000;
/** Characters of a program's error output that an error shows. */
const errorCharsMax = 4_000;

/** Starts a JVM for members on one version of the Java client. */
export async function openJavaMembers(
  options: OfficialMembersOptions & { readonly version: JavaClientVersion },
): Promise<OfficialMembers> {
  const classPath = await buildJava(options.version);
  // 4.9 unlocks a queue that it gives only 20 s later where messages of it wait to be consumed.
  const java = [...jvmOptions, '-Drocketmq.client.unlockDelayTimeMills=1000', '-cp', classPath, 'judge.Members'];
  return open(options, (home) => ['java', `-Duser.home=${home}`, ...java, '--name-server', options.nameServer]);
}

/** Starts a program for members on the Go client. */
export async function openGoMembers(options: OfficialMembersOptions): Promise<OfficialMembers> {
  const program = await buildGo();
  return open(options, () => [program, '-members', '-name-server', options.nameServer]);
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

async function open(
  { onHandled }: OfficialMembersOptions,
  commandLine: (home: string) => readonly string[],
): Promise<OfficialMembers> {
  const home = await mkdtemp(join(tmpdir(), 'official-'));
  const guard = startGuard(home);
  const [command = '', ...args] = commandLine(home);
  const child = spawn(command, args, { cwd: home, env: { ...process.env, HOME: home }, stdio: 'pipe' });
  guard.watch([child]);
  const waiting = new Map<string, Waiting>();
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = `${errors}${chunk}`.slice(-errorCharsMax)));
  child.stdin.on('error', () => {});
  createInterface(child.stdout).on('line', (line) => {
    const event = parseEvent(line);
    if (event?.event === 'handled') onHandled(event);
    else if (event?.event === 'done') waiting.get(event.member)?.resolve();
    else if (event?.event === 'failed')
      waiting.get(event.member)?.reject(new Error(`${event.member}: ${event.detail}`));
  });
  const ended = endOf(child).then((failure) => {
    for (const { reject } of waiting.values()) reject(new Error(`${command} ${failure ?? 'ended'}:\n${errors.trim()}`));
  });

  async function run(member: string, ...words: readonly string[]): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiting.set(member, { resolve, reject });
        const late = new Error(`${member} did not ${words[0]} within ${commandTimeoutMs} ms:\n${errors.trim()}`);
        timer = setTimeout(() => reject(late), commandTimeoutMs);
        child.stdin.write(`${words.join('\t')}\n`);
      });
    } finally {
      clearTimeout(timer);
      waiting.delete(member);
    }
  }

  return {
    join: (member, { topic, group, way }) => run(member, 'join', member, topic, group, way),
    leave: (member) => run(member, 'leave', member),
    async close() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
      await ended;
      clearTimeout(timer);
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
      guard.release();
    },
  };
}

type ProgramEvent =
  | ({ readonly event: 'handled' } & Handled)
  | { readonly event: 'done'; readonly member: string }
  | { readonly event: 'failed'; readonly member: string; readonly detail: string };

function parseEvent(line: string): ProgramEvent | undefined {
  if (!line.startsWith('{"event":')) return undefined;
  const value: unknown = JSON.parse(line);
  return isEvent(value) ? value : undefined;
}

function isEvent(value: unknown): value is ProgramEvent {
  return typeof value === 'object' && value !== null && 'event' in value && 'member' in value;
}
