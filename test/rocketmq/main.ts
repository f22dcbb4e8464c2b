/**
 * `npm run rocketmq [-- --version 4.9.7]`: a real RocketMQ at 127.0.0.1:9876 for a developer, with its data in a temporary
 * folder, until Ctrl-C.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { startRocketMQ } from './cluster.ts';
import { isFetched, missingForRocketMQ, type RocketMQVersion, rocketmqVersions } from './java.ts';

const nameServerPort = 9876;

function readVersion(): RocketMQVersion {
  const { values } = parseArgs({ options: { version: { type: 'string', default: '5.5.0' } } });
  const version = rocketmqVersions.find((known) => known === values.version);
  if (version === undefined) throw new Error(`--version ${values.version}: give one of ${rocketmqVersions.join(', ')}`);
  return version;
}

async function main(): Promise<void> {
  const version = readVersion();
  const missing = missingForRocketMQ([version]);
  if (missing !== undefined) throw new Error(missing);
  const stopAsked = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  if (!isFetched(version)) console.log(`Fetching RocketMQ ${version} through Maven, this once ...`);
  else console.log(`Starting RocketMQ ${version} ...`);
  const starting = startRocketMQ({ version, nameServerPort });
  const cluster = await Promise.race([starting, stopAsked.then(() => undefined)]);
  if (cluster === undefined) return;
  console.log(`RocketMQ ${version} is ready.`);
  console.log(`  name server  ${cluster.nameServer}`);
  console.log(
    `  broker       ${cluster.brokerAddress} (${cluster.brokerName}; topics and groups are made on first use)`,
  );
  console.log(`  logs, data   ${cluster.directory} (removed at the end)`);
  console.log('Stop it with Ctrl-C.');
  await stopAsked;
  await cluster.stop();
  console.log('Stopped.');
}

try {
  await main();
  // Asked to stop during the start: what was started ends with this process (see guard.ts).
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
