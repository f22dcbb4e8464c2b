// Loaded into a process before its own program, by NODE_OPTIONS=--import: whenever SIGUSR2 comes it collects what is not in use, and
// writes how much memory is, as a line of JSON.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
let lookCount = 0;

process.on('SIGUSR2', () => {
  // What the first one finalizes, the second one frees.
  collect();
  collect();
  lookCount += 1;
  const { heapUsed, external } = process.memoryUsage();
  process.stdout.write(
    `${JSON.stringify({ message: `memory in use, look ${lookCount}.`, bytes: heapUsed + external })}\n`,
  );
});
