import type { Intercept } from '../broker/options.ts';
import type { Command } from '../remoting/command.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';

/** What happens to a request instead of an ordinary answer. */
export type Fault =
  /** It is not worked on, and nobody answers. */
  | { readonly kind: 'drop' }
  /** It is worked on, and nobody answers: the client cannot know what became of it. */
  | { readonly kind: 'dropReply' }
  /** It is worked on after a while, in real time. */
  | { readonly kind: 'delay'; readonly durationMs: number }
  /** It is not worked on, and answered with a response code. */
  | { readonly kind: 'refuse'; readonly code: number; readonly remark?: string }
  /** It is not worked on, and its connection is cut. */
  | { readonly kind: 'disconnect' };

/** Which requests a fault meets. */
export interface FaultRule {
  /** Request code; default: all. */
  readonly code?: number;
  /** Only requests whose header names this topic. Default: all. */
  readonly topic?: string;
  /** How many requests it meets. Default: all, until it is cleared. */
  readonly times?: number;
  readonly fault: Fault;
}

interface ActiveRule extends FaultRule {
  left: number;
}

/** The faults of one broker. The first rule that fits a request decides. */
export class Faults {
  #rules: ActiveRule[] = [];

  /** Adds a rule; the function takes it away again. */
  add(rule: FaultRule): () => void {
    const active = { ...rule, left: rule.times ?? Number.POSITIVE_INFINITY };
    if (active.left > 0) this.#rules.push(active);
    return () => {
      this.#rules = this.#rules.filter((one) => one !== active);
    };
  }

  /** Takes all rules away. */
  clear(): void {
    this.#rules = [];
  }

  readonly intercept: Intercept = async (request, proceed, connection) => {
    const rule = this.#rules.find((one) => fits(one, request));
    if (rule === undefined) return proceed();
    rule.left -= 1;
    if (rule.left === 0) this.#rules = this.#rules.filter((one) => one !== rule);
    return apply(rule.fault, proceed, connection);
  };
}

function fits({ code, topic }: FaultRule, { code: requestCode, extFields }: Command): boolean {
  if (code !== undefined && code !== requestCode) return false;
  // Sends have one-letter names.
  return topic === undefined || extFields['topic'] === topic || extFields['b'] === topic;
}

async function apply(fault: Fault, proceed: Parameters<Intercept>[1], connection: ServerConnection) {
  switch (fault.kind) {
    case 'drop':
      return undefined;
    case 'dropReply':
      await proceed();
      return undefined;
    case 'delay':
      // Keeps no process alive whose broker has been closed.
      await new Promise((resolve) => setTimeout(resolve, fault.durationMs).unref());
      return proceed();
    case 'refuse':
      return { code: fault.code, remark: fault.remark ?? 'refused by a test' };
    case 'disconnect':
      connection.close('was cut by a test');
      return undefined;
  }
}
