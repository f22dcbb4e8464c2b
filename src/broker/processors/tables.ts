import type { ProcessorTable } from '../engine.ts';
import { offsetProcessors } from './offsets.ts';
import { pullProcessors } from './pull.ts';
import { sendProcessors } from './send.ts';

/** Everything that the engine answers. */
export const processorTables: readonly ProcessorTable[] = [sendProcessors, pullProcessors, offsetProcessors];
