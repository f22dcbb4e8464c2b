import type { Embedded } from './embedded-engine.ts';
import type { Log } from './log.ts';
import type { ServerOptions } from './options.ts';

/**
 * The name server that this process works with: the one that is set; else an engine of its own; else, where a RocketMQ name server
 * has the port already, that one. The engine is loaded where it is used: a proxy in front of other brokers is smaller without it.
 * @throws EmbeddedError when another program has the port, the data directory cannot be used, or the settings make no sense.
 */
export async function startEmbedded(options: ServerOptions, log: Log): Promise<Embedded> {
  const { endpoint, embedded } = options;
  if (embedded === 'off' || (embedded === 'auto' && endpoint !== undefined)) return { endpoint, broker: undefined };
  const { startEngine } = await import('./embedded-engine.ts');
  return startEngine(options, log);
}
