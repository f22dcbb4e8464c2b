import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startGuard } from '../rocketmq/guard.ts';
import type { Flood } from './http2-floods.ts';

/** What happened to clients that abused a server. */
export interface AbuseOutcome {
  /** Connections that were told something, and those that were closed without a word. */
  readonly servedCount: number;
  readonly refusedCount: number;
  readonly writtenBytes: number;
  /** How long connections lived that were told something, in ms. */
  readonly livedMs: readonly number[];
  /** How long after GOAWAY connections were closed, in ms. */
  readonly graceMs: readonly number[];
  /** How often GOAWAY came with which code. */
  readonly codes: Readonly<Record<string, number>>;
}

const program = fileURLToPath(new URL('abusing-program.mjs', import.meta.url));

/** Abuses the server on this port from one address, in a process of its own: each connection that is closed is opened again at once. */
export async function abuse(
  port: number,
  { opening, flood }: Flood,
  by: { readonly address: string; readonly connectionCount: number; readonly seconds: number },
): Promise<AbuseOutcome> {
  const { address, connectionCount, seconds } = by;
  const parameters = [program, String(port), address, String(connectionCount), String(seconds)];
  const child = spawn(process.execPath, parameters, { stdio: ['pipe', 'pipe', 'inherit'] });
  const guard = startGuard();
  guard.watch([child]);
  child.stdin.end(`${opening.toString('base64')}\n${flood.toString('base64')}\n`);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await once(child, 'close');
  guard.release();
  return JSON.parse(output);
}
