import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that systems hand out by themselves (32768 and up on Linux): a JVM binds its port seconds after we chose it,
 * and in that time no outgoing connection and no `listen(0)` of another test may take it.
 */
const portMin = 15_000;
const portMax = 32_000;
const triesMax = 50;

/** True when nothing listens on this port of the loopback interface. */
export async function isPortFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** A free port whose neighbours at these distances are free too. */
export async function freePort(...neighbours: readonly number[]): Promise<number> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    const free = await Promise.all([0, ...neighbours].map((distance) => isPortFree(port + distance)));
    if (!free.includes(false)) return port;
  }
  throw new Error(`no free port between ${portMin} and ${portMax} in ${triesMax} tries`);
}
