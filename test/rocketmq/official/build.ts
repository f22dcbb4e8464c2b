/** Fetches and compiles the programs on the official clients, each once per state of its sources. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Guard, startGuard } from '../guard.ts';
import { checkoutDirectory } from '../java.ts';

/** Versions of the Java client that the programs are compiled against: the newest of each line. */
export const javaClientVersions = ['4.9.8', '5.5.0'] as const;

/** A version of the Java client. */
export type JavaClientVersion = (typeof javaClientVersions)[number];

/** Go module of Connect's conformance suite. */
export const conformanceModule = 'connectrpc.com/conformance';

/** Slow lines need minutes for the jars and modules of a first fetch. */
const fetchTimeoutMs = 600_000;

/** The oldest Java that the programs run on. */
const javaRelease = '11';

function sourceDirectory(): string {
  return join(checkoutDirectory(), 'test', 'rocketmq', 'official');
}

function jarsDirectory(version: JavaClientVersion): string {
  return join(checkoutDirectory(), 'test', 'rocketmq', '.cache', `clients-${version}`);
}

function runs(command: string, argument: string): boolean {
  return spawnSync(command, [argument], { stdio: 'ignore' }).status === 0;
}

/** False where nothing is missing; else true with a line on stderr, or an error when `CI=true`. */
function skip(what: string, missing: string | undefined): boolean {
  if (missing === undefined) return false;
  if (process.env['CI'] === 'true') throw new Error(`CI=true, so ${what} must run. ${missing}`);
  process.stderr.write(`Skipped: ${what}. ${missing}\n`);
  return true;
}

/** What this machine lacks for the official Java clients, as a sentence, or `undefined` when nothing is missing. */
export function missingForJava(): string | undefined {
  if (!runs('java', '-version') || !runs('javac', '-version'))
    return `Java's compiler is missing: install a JDK, ${javaRelease} or newer, and put \`java\` and \`javac\` on the PATH.`;
  const isFetched = javaClientVersions.every((version) => existsSync(jarsDirectory(version)));
  if (!isFetched && !runs('mvn', '--version'))
    return 'Maven is missing: install it and put `mvn` on the PATH; it fetches the clients.';
  return undefined;
}

/**
 * For `describe.skipIf(skipJavaClients())`: true, with a line on stderr, where a JDK or Maven is missing.
 * @throws Error instead when `CI=true`.
 */
export function skipJavaClients(): boolean {
  return skip('tests with the official Java clients', missingForJava());
}

/**
 * For `describe.skipIf(skipGo())`: true, with a line on stderr, where Go is missing.
 * @throws Error instead when `CI=true`.
 */
export function skipGo(): boolean {
  return skip('tests with the official Go client', missingForGo());
}

/** What this machine lacks for programs in Go, as a sentence, or `undefined` when nothing is missing. */
export function missingForGo(): string | undefined {
  return runs('go', 'version') ? undefined : 'Go is missing: install 1.21 or newer and put `go` on the PATH.';
}

/** Class path of the Java programs that judge, for one client version. */
export async function buildJava(version: JavaClientVersion): Promise<string> {
  const sources = join(sourceDirectory(), 'java', 'src');
  const line = version.startsWith('4.') ? 'v4' : 'v5';
  return compileJava(version, [join(sources, 'common'), join(sources, line)]);
}

/** Class path of what is below some folders, compiled against one version of the Java client. */
export function compileJava(version: JavaClientVersion, sources: readonly string[]): Promise<string> {
  const pom = join(sourceDirectory(), 'java', 'pom.xml');
  return compileJavaOn({ pom, properties: [`-Drocketmq.version=${version}`], jars: jarsDirectory(version) }, sources);
}

/** What Java programs are compiled against, or run with. */
export interface JavaLibraries {
  /** The `pom.xml` that names it. */
  readonly pom: string;
  /** Values of its properties, as `-Dname=value`. */
  readonly properties: readonly string[];
  /** Where it is kept, once it is fetched. */
  readonly jars: string;
}

/** Class path of what is below some folders, compiled against the libraries. */
export async function compileJavaOn(libraries: JavaLibraries, sources: readonly string[]): Promise<string> {
  const files = (await Promise.all(sources.map(filesBelow))).flat();
  const jars = await fetchJars(libraries);
  const classes = await makeDirectory(await outputDirectory(`java-${basename(jars)}`, files), (partial) => [
    {
      command: 'javac',
      arguments: [
        ...['--release', javaRelease, '-encoding', 'UTF-8', '-proc:none', '-nowarn', '-Xlint:-options'],
        ...['-cp', join(jars, '*'), '-d', partial, ...files],
      ],
    },
  ]);
  return `${classes}:${join(jars, '*')}`;
}

/** The folder of the libraries, once they are there: from Maven where they are not yet. */
export function fetchJars({ pom, properties, jars }: JavaLibraries): Promise<string> {
  return makeDirectory(jars, (partial) => [
    {
      command: 'mvn',
      arguments: [
        ...['-q', '-B', '-f', pom, 'dependency:copy-dependencies'],
        ...[...properties, `-DoutputDirectory=${partial}`],
      ],
    },
  ]);
}

/** Path of the Go program that judges. */
export function buildGo(): Promise<string> {
  return compileGo(join(sourceDirectory(), 'go'));
}

/** Path of h2spec. */
export function buildH2spec(): Promise<string> {
  return compileGo(join(sourceDirectory(), 'h2spec'));
}

/** Path of the runner of Connect's conformance suite. */
export function buildConformance(): Promise<string> {
  const source = join(checkoutDirectory(), 'test', 'conformance', 'go');
  return compileGo(source, `${conformanceModule}/cmd/connectconformance`);
}

/**
 * Path of the program that is made of a folder with a Go module. A folder with a `buf.gen.yaml` has code made of `proto` first, and
 * of its own `proto` where it has one, in a copy.
 * @param program of another module, which that of the folder requires. Default: that of the folder.
 */
export async function compileGo(source: string, program = '.'): Promise<string> {
  const proto = join(checkoutDirectory(), 'proto');
  const template = join(source, 'buf.gen.yaml');
  const isGenerated = existsSync(template);
  const files = [...(await filesBelow(source)), ...(isGenerated ? await filesBelow(proto) : [])];
  const directory = await makeDirectory(await outputDirectory('go', files), (partial) => {
    const cwd = isGenerated ? join(partial, 'source') : source;
    const build = {
      command: 'go',
      arguments: ['build', '-buildvcs=false', '-o', join(partial, 'program'), program],
      cwd,
    };
    if (!isGenerated) return [build];
    const buf = join(checkoutDirectory(), 'node_modules', '.bin', 'buf');
    const generate = (...from: readonly string[]): Command => ({
      command: buf,
      arguments: ['generate', ...from, '--template', template],
      cwd,
    });
    return [
      { command: 'cp', arguments: ['-r', source, cwd] },
      generate(proto, '--path', join(proto, 'rocketmq')),
      ...(existsSync(join(source, 'proto')) ? [generate('proto')] : []),
      build,
    ];
  });
  return join(directory, 'program');
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Where the output for these very sources belongs, so that nothing is compiled twice and nothing old is run. */
async function outputDirectory(name: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(await readFile(file))
      .update('\0');
  return join(checkoutDirectory(), 'build', 'official', `${name}-${hash.digest('hex').slice(0, 16)}`);
}

interface Command {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly cwd?: string;
}

/**
 * Fills a folder by commands, unless it is there already. It appears under its final name in one step, so an interrupted command
 * leaves nothing that a later run could take for complete.
 */
async function makeDirectory(directory: string, fill: (partial: string) => readonly Command[]): Promise<string> {
  if (existsSync(directory)) return directory;
  await mkdir(dirname(directory), { recursive: true });
  const partial = await mkdtemp(`${directory}.partial-`);
  const guard = startGuard(partial);
  try {
    for (const command of fill(partial)) await runCommand(command, guard);
    await rename(partial, directory).catch((error: unknown) => {
      // Another process was quicker: its output is as good as ours.
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
    guard.release();
  }
  return directory;
}

async function runCommand(command: Command, guard: Guard): Promise<void> {
  const child = spawn(command.command, command.arguments, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: fetchTimeoutMs,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  });
  guard.watch([child]);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const failure = await endOf(child);
  if (failure !== undefined) throw new Error(`${command.command} failed (${failure}):\n${output.trim()}`);
}

/** Waits for the end of a process; gives what was wrong with it, or `undefined` when it ended with 0. */
export function endOf(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${code ?? signal}`));
  });
}
