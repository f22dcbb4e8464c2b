import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startGuard } from '../rocketmq/guard.ts';
import { Changes } from './changes.ts';

/** A program beside this file, in a process of its own, whose lines of output say what it received. */
export interface ReceivingProcess {
  /** All that it has written, also before it was killed. */
  readonly lines: readonly string[];
  /** Waits until it has written so many lines. */
  received(count: number): Promise<readonly string[]>;
  kill(signal: NodeJS.Signals): void;
  /** Ends it, also when it is frozen. */
  stop(): Promise<void>;
}

const receiveTimeoutMs = 30_000;

/**
 * A consumer that acknowledges nothing; each line is the body of a message.
 * @param address `host:port` of a proxy.
 */
export function startReceivingProcess(address: string, consumerId: string): ReceivingProcess {
  return startReceivingProgram('receiving-program.mjs', [address, consumerId]);
}

/** @param onLine called with each line as it comes. */
export function startReceivingProgram(
  name: string,
  parameters: readonly string[],
  onLine: (line: string) => void = () => {},
): ReceivingProcess {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [program, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
  const guard = startGuard();
  guard.watch([child]);
  // Its output has been read to the end by then.
  const exited = once(child, 'close').then(() => guard.release());
  const lines: string[] = [];
  const changes = new Changes();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine(line);
    changes.notify();
  });
  return {
    lines,
    received: (count) =>
      changes.until(
        () => (lines.length >= count ? lines : undefined),
        receiveTimeoutMs,
        () => `the receiving process has ${lines.length} of ${count} messages`,
      ),
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
