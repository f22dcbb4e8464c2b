import { afterAll, beforeAll, describe } from 'vitest';
import { publishSuite } from './sending/publish-suite.ts';
import { recallSuite } from './sending/recall-suite.ts';
import { type StartedSending, startSending } from './sending/started-sending.ts';
import { transactionSuite } from './sending/transaction-suite.ts';
import { describeOnTargets, takesUnsigned } from './target.ts';

describeOnTargets(
  'sending beyond the published API',
  (variant) => {
    let started: StartedSending | undefined;
    const at = (): StartedSending => {
      if (started === undefined) throw new Error('nothing has been started');
      return started;
    };

    beforeAll(async () => {
      started = await startSending(variant);
    });

    afterAll(() => started?.stop());

    describe('transactions that the caller ends', () => transactionSuite(at));
    describe('publishing by a stream', () => publishSuite(at));
    describe('taking back what waits for its time', () => recallSuite(at, variant));
  },
  takesUnsigned,
);
