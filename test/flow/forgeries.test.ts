import { it } from 'vitest';
import { judgeForgeries } from '../faults/forgeries.ts';

// `npm run test:faults` does a hundred times as many.
it('R-61, R-62: 10,000 forged ids and 10,000 forged handles are refused, for one and the same reason', {
  timeout: 60_000,
}, () => {
  judgeForgeries(10_000);
});
