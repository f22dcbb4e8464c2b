import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { firstSteps } from '../src/first-steps.ts';
import { Changes } from './support/changes.ts';
import { startTestEngine } from './support/engine-client.ts';
import { startTestProxy } from './support/started-proxy.ts';

/** The lines under a heading of the text, without their indent. */
function part(text: string, heading: string): string {
  const [, rest = ''] = text.split(`  ${heading}:\n`);
  return rest.split('\n\n')[0]?.replace(/^ {4}/gm, '') ?? '';
}

/** Whether the commands of the text can be run here. */
function hasCommands(): boolean {
  try {
    execFileSync('sh', ['-c', 'curl --version && printf x | sed s/x/y/'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What a process writes, until it holds a text. */
async function outputWith(child: ChildProcess, text: string): Promise<string> {
  const changes = new Changes();
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk;
      changes.notify();
    });
  }
  await changes.until(
    () => (output.includes(text) ? true : undefined),
    30_000,
    () => `there is no ${text} in ${output}`,
  );
  return output;
}

describe('the first steps', () => {
  it('name the ports that were chosen', () => {
    const text = firstSteps('http://127.0.0.1:50051', '127.0.0.1:9876');
    expect(text).toContain(
      'A RocketMQ for development runs at 127.0.0.1:9876, with the proxy in front of it at http://127.0.0.1:50051.',
    );
    expect(part(text, 'from Java, with org.apache.rocketmq:rocketmq-client and no proxy')).toContain(
      'setNamesrvAddr("127.0.0.1:9876")',
    );
    expect(text).not.toMatch(/undefined|\[object/);
  });

  it('name an example that is there', () => {
    const command = part(firstSteps('http://127.0.0.1:50051', '127.0.0.1:9876'), 'from Node');
    const [, path = ''] = /^node (\S+)/.exec(command) ?? [];
    expect(existsSync(path), path).toBe(true);
  });

  it.skipIf(!hasCommands())(
    'send and receive a first message when they are typed as they stand',
    async () => {
      const { nameServer } = await startTestEngine();
      const defaults = { endpoint: nameServer, accessKeyId: '', accessKeySecret: '', instanceId: '' };
      const { port } = await startTestProxy({ defaults });
      const script = part(firstSteps(`http://127.0.0.1:${port}`, nameServer), 'with curl');
      expect(script.split('\n')).toHaveLength(6);
      // A group of its own, so that the curl that waits for more ends with it.
      const shell = spawn('sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
      const ended = once(shell, 'close');
      onTestFinished(async () => {
        if (shell.pid !== undefined && shell.exitCode === null) process.kill(-shell.pid);
        await ended;
      });
      const output = await outputWith(shell, '"messageBody":"order 4711"');
      expect(output).toContain('"success":true');
    },
    40_000,
  );
});
