/** Programs that others than this project are measured by, each left out with a line that says why where its tools are missing. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutDirectory, missingForRocketMQ } from '../test/rocketmq/java.ts';
import { compileGo, compileJava, fetchJars, skipGo, skipJavaClients } from '../test/rocketmq/official/build.ts';
import { wordsOf } from './figures.ts';

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
  /** A line for each that is left out. */
  readonly leftOut: readonly string[];
}

const sources = join(checkoutDirectory(), 'bench', 'peers');

export const apacheVersion = '5.5.0';

/** @param wanted What the questions asked need beside the Go program. */
export async function findPeers(wanted: { readonly apacheProxy: boolean; readonly java: boolean }): Promise<Peers> {
  const leftOut: string[] = [];
  /** What `make` gives; undefined, with a line, where it gives a sentence of what is missing, or fails. */
  const find = async (name: string, missing: () => unknown, make: () => Promise<string>) => {
    try {
      const lacking = missing();
      if (lacking === undefined) return await make();
      leftOut.push(`Left out: ${name}. ${lacking}`);
    } catch (error) {
      leftOut.push(`Left out: ${name}. ${wordsOf(error)}`);
    }
    return undefined;
  };
  const go = await find('the Go proxy, client-go and loads by grpc-go', missingGo, () =>
    compileGo(join(sources, 'go')),
  );
  const apacheProxy = wanted.apacheProxy
    ? await find("Apache's proxy", () => (go === undefined ? missingGoText : missingRocketMQ()), fetchApacheProxy)
    : undefined;
  const java = wanted.java
    ? await find('the Java client', missingJava, () => compileJava(apacheVersion, [join(sources, 'java')]))
    : undefined;
  const load = go === undefined ? [process.execPath, 'build/bench/peers/grpc-js.js'] : [go];
  return { go, apacheProxy, java, load, versions: versionsOf(go !== undefined), leftOut };
}

const missingGoText = 'Go is missing.';
const missingGo = () => (skipGo() ? missingGoText : undefined);
const missingJava = () => (skipJavaClients() ? 'A JDK or Maven is missing.' : undefined);
const missingRocketMQ = () => missingForRocketMQ([apacheVersion]);

function fetchApacheProxy(): Promise<string> {
  const jars = join(checkoutDirectory(), 'test', 'rocketmq', '.cache', `proxy-${apacheVersion}`);
  const pom = join(sources, 'apache-proxy', 'pom.xml');
  return fetchJars({ pom, properties: [`-Drocketmq.version=${apacheVersion}`], jars }).then((path) => join(path, '*'));
}

function versionsOf(hasGo: boolean): string[] {
  const module = readFileSync(join(sources, 'go', 'go.mod'), 'utf8');
  const ofModule = (name: string, path: string): string[] => {
    const [, version] = new RegExp(`${path} v([\\d.]+)`).exec(module) ?? [];
    return hasGo && version !== undefined ? [`${name} ${version}`] : [];
  };
  return [
    ...versionOf('Go', 'go', 'version'),
    ...ofModule('grpc-go', 'google.golang.org/grpc'),
    ...ofModule('rocketmq-client-go', 'rocketmq-client-go/v2'),
    ...versionOf('Java', 'java', '-version'),
    `Apache RocketMQ ${apacheVersion}`,
  ];
}

/** Nothing where the command is missing. */
function versionOf(name: string, command: string, argument: string): string[] {
  const { stdout, stderr, status } = spawnSync(command, [argument], { encoding: 'utf8' });
  const [version] = /\d+\.[\d.]+/.exec(`${stdout}${stderr}`) ?? [];
  return status === 0 && version !== undefined ? [`${name} ${version}`] : [];
}
