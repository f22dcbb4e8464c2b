import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { checkoutDirectory } from '../java.ts';
import { compileGo, compileJavaOn } from '../official/build.ts';
import { jvmOptions, runProgram, type Verdict } from '../official/official.ts';
import type { ProxyAddress } from './speakers.ts';

/** The same proxy twice. */
export interface ProxyPorts {
  readonly cleartext: ProxyAddress;
  readonly tls: Required<ProxyAddress>;
}

function folder(...names: readonly string[]): string {
  return join(checkoutDirectory(), 'test', 'rocketmq', 'interop', ...names);
}

function argumentsOf({ cleartext, tls }: ProxyPorts, prefix: string): string[] {
  return [cleartext.address, tls.address, tls.caFile, prefix];
}

/** Path of the program on grpc-go. */
export function buildGoJudge(): Promise<string> {
  return compileGo(folder('go'));
}

/** Class path of the program on grpc-java. */
export function buildJavaJudge(): Promise<string> {
  const jars = join(checkoutDirectory(), 'test', 'rocketmq', '.cache', 'grpc-java');
  const libraries = { pom: folder('java', 'pom.xml'), properties: [], jars };
  return compileJavaOn(libraries, [folder('java', 'src')]);
}

/** Judges by grpc-go. @param prefix of the topics, which must be there: see `go/main.go`. */
export async function judgeByGo(ports: ProxyPorts, prefix: string): Promise<Verdict[]> {
  return runProgram(await buildGoJudge(), argumentsOf(ports, prefix));
}

/** Judges by grpc-java. @param prefix of the topics, which must be there: see `Interop.java`. */
export async function judgeByJava(ports: ProxyPorts, prefix: string): Promise<Verdict[]> {
  const classPath = await buildJavaJudge();
  const descriptors = join(checkoutDirectory(), 'proto', 'published.binpb');
  return runProgram('java', [
    ...[...jvmOptions, '-cp', classPath, 'interop.Interop'],
    ...[descriptors, ...argumentsOf(ports, prefix)],
  ]);
}

/**
 * For `it.skipIf(skipNghttp())`: true, with a line on stderr, where nghttp or h2load is missing.
 * @throws Error instead when `CI=true`.
 */
export function skipNghttp(): boolean {
  if (['nghttp', 'h2load'].every((command) => spawnSync(command, ['--version']).status === 0)) return false;
  const missing = 'nghttp is missing: install it (Debian: apt-get install nghttp2-client).';
  if (process.env['CI'] === 'true') throw new Error(`CI=true, so tests with nghttp must run. ${missing}`);
  process.stderr.write(`Skipped: tests with nghttp. ${missing}\n`);
  return true;
}
