import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startGuard } from '../rocketmq/guard.ts';
import { Changes } from './changes.ts';

/** A consumer in a process of its own. It acknowledges nothing. */
export interface ReceivingProcess {
  /** Waits until it has got so many messages. */
  received(count: number): Promise<readonly string[]>;
  kill(signal: NodeJS.Signals): void;
  /** Ends it, also when it is frozen. */
  stop(): Promise<void>;
}

const receiveTimeoutMs = 30_000;

/** @param address `host:port` of a proxy. */
export function startReceivingProcess(address: string, consumerId: string): ReceivingProcess {
  const program = fileURLToPath(new URL('receiving-program.mjs', import.meta.url));
  const child = spawn(process.execPath, [program, address, consumerId], { stdio: ['ignore', 'pipe', 'inherit'] });
  const guard = startGuard();
  guard.watch([child]);
  const exited = once(child, 'exit').then(() => guard.release());
  const bodies: string[] = [];
  const changes = new Changes();
  createInterface({ input: child.stdout }).on('line', (line) => {
    bodies.push(line);
    changes.notify();
  });
  return {
    received: (count) =>
      changes.until(
        () => (bodies.length >= count ? bodies : undefined),
        receiveTimeoutMs,
        () => `the receiving process has ${bodies.length} of ${count} messages`,
      ),
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
