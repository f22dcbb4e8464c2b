import type { Json } from '../../remoting/json.ts';
import type { Engine } from '../engine.ts';
import type { StatePart } from '../state-log.ts';

/** What groups have popped and not acknowledged. */
export class PopQueues implements StatePart {
  readonly name = 'pops';

  /** Begins to make messages visible again. */
  start(_engine: Engine): void {}

  snapshot(): Json {
    return [];
  }

  restore(_snapshot: Json): void {}

  apply(_change: Json): void {}

  close(): void {}
}
