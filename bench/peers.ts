/** Programs that others than this project are measured by, each left out with a line that says why where its tools are missing. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { checkoutDirectory, missingForRocketMQ } from '../test/rocketmq/java.ts';
import { compileGo, compileJava, fetchJars, skipGo, skipJavaClients } from '../test/rocketmq/official/build.ts';

export interface Peers {
  /** The program of `peers/go`; undefined without Go. */
  readonly go: string | undefined;
  /** Class path of Apache's proxy; undefined without Java or Maven, and without Go, which loads it. */
  readonly apacheProxy: string | undefined;
  /** Class path of `peers/java`; undefined without a JDK or Maven. */
  readonly java: string | undefined;
  /** Loads a proxy through a gRPC client: grpc-go, or without Go grpc-js. Arguments: see `peers/go`. */
  readonly load: readonly string[];
  /** Of what takes part, each with its name. */
  readonly versions: readonly string[];
}

const sources = join(checkoutDirectory(), 'bench', 'peers');

export const apacheVersion = '5.5.0';

/** @param wanted What the questions asked need beside the Go program. */
export async function findPeers(wanted: { readonly apacheProxy: boolean; readonly java: boolean }): Promise<Peers> {
  const go = skipGo() ? undefined : await compileGo(join(sources, 'go'));
  return {
    go,
    apacheProxy: wanted.apacheProxy && go !== undefined ? await findApacheProxy() : undefined,
    java: wanted.java && !skipJavaClients() ? await compileJava(apacheVersion, [join(sources, 'java')]) : undefined,
    load: go === undefined ? [process.execPath, 'build/bench/peers/grpc-js.js'] : [go],
    versions: [
      ...versionOf('Go', 'go', 'version'),
      ...versionOf('Java', 'java', '-version'),
      `Apache RocketMQ ${apacheVersion}`,
    ],
  };
}

/** Nothing where the command is missing. */
function versionOf(name: string, command: string, argument: string): string[] {
  const { stdout, stderr, status } = spawnSync(command, [argument], { encoding: 'utf8' });
  const [version] = /\d+\.[\d.]+/.exec(`${stdout}${stderr}`) ?? [];
  return status === 0 && version !== undefined ? [`${name} ${version}`] : [];
}

async function findApacheProxy(): Promise<string | undefined> {
  const missing = missingForRocketMQ([apacheVersion]);
  if (missing !== undefined) return skipped(missing);
  const jars = join(checkoutDirectory(), 'test', 'rocketmq', '.cache', `proxy-${apacheVersion}`);
  try {
    const pom = join(sources, 'apache-proxy', 'pom.xml');
    return join(await fetchJars({ pom, properties: [`-Drocketmq.version=${apacheVersion}`], jars }), '*');
  } catch (error) {
    return skipped(error instanceof Error ? error.message : String(error));
  }
}

function skipped(why: string): undefined {
  console.error(`Skipped: Apache's proxy. ${why}`);
}
