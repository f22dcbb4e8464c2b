import type { ConsumeMode } from '../../src/client/options.ts';
import { type ReceivingProcess, startReceivingProgram } from './receiving-process.ts';

/** What the process is told. */
export interface ClientProcessOptions {
  readonly nameServer: string;
  readonly group: string;
  readonly topic: string;
  readonly mode: ConsumeMode;
  readonly invisibleDurationMs: number;
  readonly messagesMax: number;
}

/** A message that it holds. */
export interface HeldMessage {
  readonly body: string;
  readonly messageId: string;
  /** When its broker may deliver it again, by the wall clock in ms; 0 by pull. */
  readonly visibleAtMs: number;
}

/** A consumer by our own client, as it is compiled, in a process of its own. It acknowledges nothing. */
export interface ClientProcess extends Pick<ReceivingProcess, 'stop'> {
  readonly messages: readonly HeldMessage[];
  /** Waits until it has got so many messages. */
  received(count: number): Promise<readonly HeldMessage[]>;
}

export function startClientProcess(options: ClientProcessOptions): ClientProcess {
  const messages: HeldMessage[] = [];
  const note = (line: string): void => void messages.push(JSON.parse(line));
  const running = startReceivingProgram('client-program.mjs', [JSON.stringify(options)], note);
  return {
    messages,
    async received(count) {
      await running.received(count);
      return [...messages];
    },
    stop: () => running.stop(),
  };
}
