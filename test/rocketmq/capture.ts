/**
 * Captures bytes of real brokers into `test/fixtures/`, where unit tests read them:
 * `npx tsc -p bench && node build/test/rocketmq/capture.js`.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  captureGroups,
  capturePulls,
  captureRoutes,
  captureSends,
  captureTransactionCheck,
} from './capture-classic.ts';
import { capturePop, capturePopUnsupported } from './capture-pop.ts';
import { type CaptureSession, hexLines } from './capture-session.ts';
import { startRocketMQ } from './cluster.ts';
import { checkoutDirectory, type RocketMQVersion, rocketmqVersions } from './java.ts';

const head = `# Bytes of real brokers

Each file is one whole frame as it came from the socket, length prefix included, in hex; \`fixture.ts\` reads them. They come from
single-broker clusters started by \`test/rocketmq/cluster.ts\`. This page and the files are written by
\`npx tsc -p bench && node build/test/rocketmq/capture.js\`: run it to capture them again. Times, ports, offsets in the commit log and
generated ids differ from run to run, so tests must not depend on them.

| file | version | what was asked | code |
|---|---|---|---|
`;

const directory = join(checkoutDirectory(), 'test', 'fixtures');
const rows: string[] = [];

async function captureVersion(version: RocketMQVersion): Promise<void> {
  const cluster = await startRocketMQ({
    version,
    // Half messages are checked after 1 s instead of 6 s.
    brokerConfig: { transactionTimeOut: 1_000, transactionCheckInterval: 500 },
  });
  const session: CaptureSession = {
    cluster,
    async save(name, asked, frame, code) {
      const file = `${name}-${version}.hex`;
      await writeFile(join(directory, file), hexLines(frame));
      rows.push(`| \`${file}\` | ${version} | ${asked} | ${code} |\n`);
    },
  };
  try {
    await captureRoutes(session);
    await captureSends(session);
    await capturePulls(session);
    await captureGroups(session);
    await captureTransactionCheck(session);
    if (version === '4.9.7') await capturePopUnsupported(session);
    else await capturePop(session);
  } finally {
    await cluster.stop();
  }
}

await mkdir(directory, { recursive: true });
for (const file of await readdir(directory)) if (file.endsWith('.hex')) await rm(join(directory, file));
for (const version of rocketmqVersions) await captureVersion(version);
await writeFile(join(directory, 'README.md'), head + rows.sort().join(''));
process.stdout.write(`${rows.length} frames in ${directory}\n`);
