import { it } from 'vitest';
import { judgeForgeries } from './forgeries.ts';

it('R-61, R-62: a million forged ids, and a million forged handles', { timeout: 900_000 }, () => {
  judgeForgeries(1_000_000, 50);
});
