/**
 * By hand, against any name server: `node build/test/rocketmq/official/main.js java-5.5.0|java-4.9.8|go HOST:PORT [scenario ...]`
 * prints a line for each verdict and ends with 0 only if all are well.
 */
import { javaClientVersions } from './build.ts';
import { runGo, runJava, type Verdict } from './official.ts';

function run(program: string, nameServer: string, scenarios: readonly string[]): Promise<Verdict[]> {
  if (program === 'go') return runGo({ nameServer, scenarios });
  const version = javaClientVersions.find((known) => program === `java-${known}`);
  if (version !== undefined) return runJava({ version, nameServer, scenarios });
  throw new Error(
    `unknown program ${program}: give go or one of ${javaClientVersions.map((v) => `java-${v}`).join(', ')}`,
  );
}

const [program = '', nameServer = '127.0.0.1:9876', ...scenarios] = process.argv.slice(2);
const verdicts = await run(program, nameServer, scenarios);
for (const { scenario, ok, tookMs, detail } of verdicts)
  process.stdout.write(`${ok ? 'ok  ' : 'BAD '} ${scenario} (${tookMs} ms) ${detail}\n`);
process.exitCode = verdicts.every((verdict) => verdict.ok) ? 0 : 1;
