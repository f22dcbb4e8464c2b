import { afterAll, beforeAll } from 'vitest';
import { describeOnTargets, type Variant } from '../target.ts';
import { describeAccess } from './access.ts';
import { describeAdministration } from './administration.ts';
import { ClientSuite } from './client-suite.ts';
import { describeBatches, describeCompression } from './large-sends.ts';
import { describeMembers } from './members.ts';
import { describeOrdered } from './ordered.ts';
import { describeOutage } from './outage.ts';
import { describePop } from './pop.ts';
import { describePulling, describeReceiving, describeWaiting } from './receiving.ts';
import { describeRedelivery } from './redelivery.ts';
import { describeSending } from './sending.ts';
import { describeTransactions } from './transactions.ts';

/**
 * Registers the whole behaviour suite of the client on one variant of this run's target, which is started once for all of it. Each variant
 * has a file of its own that calls this, so that two can run side by side.
 */
export function describeClient(meant: Pick<Variant, 'version' | 'accessControl'>): void {
  const isMeant = ({ version, accessControl }: Variant): boolean =>
    version === meant.version && accessControl === meant.accessControl;

  describeOnTargets(
    'the client',
    (variant) => {
      const suite = new ClientSuite(variant);
      beforeAll(() => suite.start());
      afterAll(() => suite.stop());
      describeAccess(suite);
      describeSending(suite);
      describeBatches(suite);
      describeCompression(suite);
      describeTransactions(suite);
      describeAdministration(suite);
      for (const mode of suite.ways) {
        describeReceiving(suite, mode);
        describeRedelivery(suite, mode);
        describeOrdered(suite, mode);
      }
      describePulling(suite);
      describeMembers(suite);
      describePop(suite);
      for (const mode of suite.ways) describeWaiting(suite, mode);
      describeOutage(suite);
    },
    isMeant,
  );
}
