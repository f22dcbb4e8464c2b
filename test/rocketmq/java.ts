import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Guard, startGuard } from './guard.ts';

/** Versions the project is tested against: the newest, and the newest without POP. */
export const rocketmqVersions = ['5.5.0', '4.9.7'] as const;

/** A version of Apache RocketMQ that the harness can start. */
export type RocketMQVersion = (typeof rocketmqVersions)[number];

/** Maven needs seconds with a warm cache of its own and some minutes on a slow line without one. */
const fetchTimeoutMs = 600_000;

/** Root of the checkout; this file runs from `test/rocketmq` and, compiled, from `build/test/rocketmq`. */
export function checkoutDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error('no package.json above the RocketMQ harness: run it inside a checkout');
    directory = parent;
  }
  return directory;
}

/** Folder that holds (or will hold) the jars of one version. */
function jarsDirectory(version: RocketMQVersion): string {
  return join(checkoutDirectory(), 'test', 'rocketmq', '.cache', version);
}

/** Whether the jars of a version are there already, so that a start takes seconds. */
export function isFetched(version: RocketMQVersion): boolean {
  return existsSync(jarsDirectory(version));
}

function runs(command: string, argument: string): boolean {
  return spawnSync(command, [argument], { stdio: 'ignore' }).status === 0;
}

/** What this machine lacks to run a real broker, as a sentence, or `undefined` when nothing is missing. */
export function missingForRocketMQ(versions: readonly RocketMQVersion[] = rocketmqVersions): string | undefined {
  if (!runs('java', '-version'))
    return 'Java is missing: install a JDK or JRE, 11 or newer, and put `java` on the PATH.';
  if (versions.every(isFetched)) return undefined;
  if (!runs('mvn', '--version'))
    return 'Maven is missing: install it and put `mvn` on the PATH; it fetches the broker.';
  return undefined;
}

/**
 * For `describe.skipIf(skipRocketMQ())`: true, with a line on stderr, where Java or Maven is missing.
 * @throws Error instead when `CI=true`, so that a build server cannot go green without a real broker.
 */
export function skipRocketMQ(): boolean {
  const missing = missingForRocketMQ();
  if (missing === undefined) return false;
  if (process.env['CI'] === 'true') throw new Error(`CI=true, so tests on a real RocketMQ must run. ${missing}`);
  process.stderr.write(`Skipped: tests on a real RocketMQ. ${missing}\n`);
  return true;
}

/**
 * Class path of one version, fetched through Maven when it is not there yet. The jars appear under their final name in one
 * step, so an interrupted fetch leaves nothing that a later run could take for complete.
 */
export async function rocketmqClassPath(version: RocketMQVersion): Promise<string> {
  const directory = jarsDirectory(version);
  if (!isFetched(version)) await fetchJars(version, directory);
  return join(directory, '*');
}

async function fetchJars(version: RocketMQVersion, directory: string): Promise<void> {
  await mkdir(dirname(directory), { recursive: true });
  const partial = await mkdtemp(`${directory}.partial-`);
  const guard = startGuard(partial);
  try {
    await copyDependencies(version, partial, guard);
    await rename(partial, directory).catch((error: unknown) => {
      // Another process was quicker: its jars are as good as ours.
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
    guard.release();
  }
}

async function copyDependencies(version: RocketMQVersion, directory: string, guard: Guard): Promise<void> {
  const pom = join(checkoutDirectory(), 'test', 'rocketmq', 'pom.xml');
  const goal = ['dependency:copy-dependencies', `-Drocketmq.version=${version}`, `-DoutputDirectory=${directory}`];
  const maven = spawn('mvn', ['-q', '-B', '-f', pom, ...goal], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: fetchTimeoutMs,
  });
  guard.watch([maven]);
  let output = '';
  maven.stdout.on('data', (chunk) => (output += chunk));
  maven.stderr.on('data', (chunk) => (output += chunk));
  const failure = await new Promise<string | undefined>((resolve) => {
    maven.on('error', (error) => resolve(error.message));
    maven.on('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${code ?? signal}`));
  });
  if (failure !== undefined)
    throw new Error(`Maven could not fetch RocketMQ ${version} (${failure}):\n${output.trim()}`);
}
