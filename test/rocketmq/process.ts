import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The two processes of a cluster. */
export type ProcessName = 'nameServer' | 'broker';

/** What it takes to start one of them. */
export interface JavaProcessOptions {
  readonly name: ProcessName;
  readonly mainClass: string;
  readonly classPath: string;
  /** Home of the process: configuration, logs, store. */
  readonly directory: string;
  /** RocketMQ 5 ships its log library under a package name of its own. */
  readonly logbackPackage: string;
  readonly heapMegabytes: number;
  readonly javaOptions: readonly string[];
  /** Content of the properties file given with `-c`. */
  readonly config: Readonly<Record<string, string | number | boolean>>;
}

/** Lines of each log that an error shows. */
const logLineCount = 40;

/** One file and no console: RocketMQ's own set-up opens a file per subject, and 5.x prints 45 kB about that at each start. */
function logback(options: JavaProcessOptions): string {
  return `<configuration>
  <appender name="FILE" class="${options.logbackPackage}ch.qos.logback.core.FileAppender">
    <file>${join(options.directory, `${options.name}.log`)}</file>
    <encoder><pattern>%d{HH:mm:ss.SSS} %p %c{0} %t - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
`;
}

/** Starts a JVM as our child (never detached). Its output goes to `<name>.out`, its log to `<name>.log`. */
export async function startJava(options: JavaProcessOptions): Promise<ChildProcess> {
  const { directory, name } = options;
  const lines = Object.entries(options.config).map(([key, value]) => `${key}=${value}\n`);
  const configFile = join(directory, `${name}.properties`);
  // RocketMQ 4 looks for its log set-up in conf/, under these names; RocketMQ 5 takes a system property.
  const logbackFile = join(directory, 'conf', name === 'broker' ? 'logback_broker.xml' : 'logback_namesrv.xml');
  await writeFile(configFile, lines.join(''));
  await writeFile(logbackFile, logback(options));
  const output = openSync(join(directory, `${name}.out`), 'a');
  const child = spawn(
    'java',
    [
      `-Xms${options.heapMegabytes}m`,
      `-Xmx${options.heapMegabytes}m`,
      ...options.javaOptions,
      `-Drocketmq.home.dir=${directory}`,
      `-Duser.home=${directory}`,
      `-Drmq.logback.configurationFile=${logbackFile}`,
      '-cp',
      options.classPath,
      options.mainClass,
      '-c',
      configFile,
    ],
    { stdio: ['ignore', output, output], cwd: directory },
  );
  closeSync(output);
  child.on('error', () => {});
  return child;
}

/** True until the process has ended (or could not be started at all). */
export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Sends a signal and waits for the end of the process, which gets SIGKILL when it is not gone after `timeoutMs`. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
  if (!isRunning(child)) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  await ended;
  clearTimeout(timer);
}

/** The last lines that a process wrote, for an error message. */
export async function lastLogLines(directory: string, name: ProcessName): Promise<string> {
  const parts = await Promise.all(
    [`${name}.out`, `${name}.log`].map(async (file) => {
      const text = await readFile(join(directory, file), 'utf8').catch(() => '');
      return [`--- ${file}`, ...text.trimEnd().split('\n').slice(-logLineCount)].join('\n');
    }),
  );
  return parts.join('\n');
}
