import type { Answer, Command } from '../../remoting/command.ts';
import { RequestCode } from '../../remoting/request-code.ts';
import { endTransaction } from '../../remoting/requests/end-transaction.ts';
import type { ServerConnection } from '../../remoting/server-connection.ts';
import type { Engine, ProcessorTable } from '../engine.ts';

export const endTransactionProcessors: ProcessorTable = [[RequestCode.END_TRANSACTION, end]];

/** Answers also where the producer does not know the outcome, which Java leaves without an answer. */
async function end(request: Command, _connection: ServerConnection, { halves }: Engine): Promise<Answer> {
  const { producerGroup, commitLogOffset, transactionStateTableOffset, outcome } = endTransaction.decode(request);
  await halves.end({
    producerGroup,
    commitLogOffset: Number(commitLogOffset),
    queueOffset: Number(transactionStateTableOffset),
    outcome,
  });
  return endTransaction.answer({});
}
