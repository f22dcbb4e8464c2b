import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { checkoutDirectory } from '../rocketmq/java.ts';
import { buildConformance, endOf, skipGo } from '../rocketmq/official/build.ts';

const directory = join(checkoutDirectory(), 'test', 'conformance');
const output = join(checkoutDirectory(), 'build', 'conformance');
const server = join(output, 'server.mjs');
const descriptors = join(output, 'descriptors.binpb');
const suite = 'connectrpc.com/conformance';
/** Cases that hold deadlines of 200 ms and half a second against each other. */
const isTimed = /^(Deadline Propagation|Timeouts)\//;

/** Node 20 runs no TypeScript. */
async function bundleServer(): Promise<void> {
  const bundle = await rolldown({ input: join(directory, 'server.ts'), platform: 'node', external: /^[^./]/ });
  await bundle.write({ file: server, format: 'esm' });
  await bundle.close();
}

async function describeMessages(): Promise<void> {
  const run = promisify(execFile);
  const { stdout } = await run('go', ['list', '-m', '-f', '{{.Dir}}', suite], { cwd: join(directory, 'go') });
  const buf = join(checkoutDirectory(), 'node_modules', '.bin', 'buf');
  await run(buf, ['build', join(stdout.trim(), 'proto'), '-o', descriptors]);
}

describe.skipIf(skipGo())("Connect's conformance suite", () => {
  let program: string;

  beforeAll(async () => {
    program = await buildConformance();
    await bundleServer();
    await describeMessages();
  }, 600_000);

  /** @param cases patterns. @returns what it says of them, and the names of those that failed. */
  async function judge(
    cases: readonly string[],
  ): Promise<{ readonly said: string; readonly failed: readonly string[] }> {
    const config = join(directory, 'config.yaml');
    const chosen = cases.flatMap((name) => ['--run', name]);
    const command = [process.execPath, server, descriptors];
    const child = spawn(program, [
      '--mode',
      'server',
      '--conf',
      config,
      '--max-servers',
      '2',
      ...chosen,
      '--',
      ...command,
    ]);
    onTestFinished(() => void child.kill());
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    child.stderr.on('data', (chunk) => (said += chunk));
    const failure = await endOf(child);
    const failed = Array.from(said.matchAll(/^FAILED: (.*):$/gm), ([, name = '']) => name);
    if (failure !== undefined && failed.length === 0) throw new Error(`the suite ${failure}:\n${said}`);
    return { said, failed };
  }

  it('finds Connect, gRPC and gRPC-web as they must be', async () => {
    let verdict = await judge([]);
    expect(verdict.said).toContain('Total cases: 2227\n');
    expect(
      verdict.failed.filter((name) => !isTimed.test(name)),
      verdict.said,
    ).toEqual([]);
    // A machine that stood still while these ran is asked again.
    for (let tries = 0; tries < 2 && verdict.failed.length > 0; tries += 1) verdict = await judge(verdict.failed);
    expect(verdict.failed, verdict.said).toEqual([]);
  }, 300_000);
});
