import { cpus } from 'node:os';
import type { BrokerProcess } from './brokers.ts';
import type { Peers } from './peers.ts';

/** How long and how often. Times in milliseconds. */
export interface Effort {
  readonly isQuick: boolean;
  readonly roundCount: number;
  /** For processes that have just begun. */
  readonly warmMs: number;
  readonly measuredMs: number;
  /** Messages of a backlog. */
  readonly backlogCount: number;
}

export const wholeEffort: Effort = {
  isQuick: false,
  roundCount: 3,
  warmMs: 1_500,
  measuredMs: 3_000,
  backlogCount: 60_000,
};

export const quickEffort: Effort = {
  isQuick: true,
  roundCount: 1,
  warmMs: 1_000,
  measuredMs: 2_000,
  backlogCount: 20_000,
};

/** What a question is answered with. */
export interface Bench {
  readonly broker: BrokerProcess;
  readonly peers: Peers;
  readonly effort: Effort;
}

export const bodyBytes = 256;
export const connectionCount = 4;
/** Processes that send side by side to one proxy, so that it is not they who limit it. */
export const loadProcessCount = Math.max(2, Math.min(4, cpus().length));
