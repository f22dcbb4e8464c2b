/** The embedded engine as a process of its own. Its one argument is the folder of its data, or `memory`; prints where it is and how long the start took. */
import { startBroker } from '../src/broker/broker.ts';
import { createLog } from '../src/log.ts';

const [dataDir = 'memory'] = process.argv.slice(2);
const startedMs = performance.now();
const broker = await startBroker({
  nameServerPort: 0,
  dataDirectory: dataDir === 'memory' ? undefined : dataDir,
  log: createLog('warn'),
});
const readyMs = performance.now() - startedMs;
console.log(JSON.stringify({ nameServer: broker.nameServer, readyMs, sinceProcessStartMs: performance.now() }));
