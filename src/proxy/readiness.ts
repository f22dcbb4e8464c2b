import { Deadline } from '../remoting/deadline.ts';
import type { Engines } from './engines.ts';
import type { Readiness } from './port/status-server.ts';
import type { Target } from './session/targets.ts';

const probeIntervalMs = 5_000;
const probeTimeoutMs = 4_000;

/**
 * Whether calls can be served: while the proxy is not shutting down, and, where there is a default endpoint, while a name server
 * answers there.
 */
export class ReadinessProbe {
  readonly #engines: Engines;
  readonly #target: Target | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #state: Readiness;
  #probing = false;
  #stopped = false;

  /** @param target the default endpoint; undefined when there is none. */
  constructor(engines: Engines, target: Target | undefined) {
    this.#engines = engines;
    this.#target = target;
    if (target === undefined) {
      this.#state = { ready: true };
      return;
    }
    this.#state = { ready: false, reason: 'the default endpoint was not asked yet' };
    this.#timer = setInterval(() => void this.#probe(), probeIntervalMs).unref();
    void this.#probe();
  }

  get state(): Readiness {
    return this.#state;
  }

  /** From now on not ready. */
  stop(): void {
    clearInterval(this.#timer);
    this.#stopped = true;
    this.#state = { ready: false, reason: 'the proxy is shutting down' };
  }

  /** Never fails: what goes wrong is the state. */
  async #probe(): Promise<void> {
    if (this.#target === undefined || this.#probing) return;
    this.#probing = true;
    let state: Readiness = { ready: true };
    try {
      await this.#engines.get(this.#target).checkNameServers(Deadline.after(probeTimeoutMs));
    } catch {
      state = { ready: false, reason: 'no name server answers at the default endpoint' };
    }
    this.#probing = false;
    if (!this.#stopped) this.#state = state;
  }
}
