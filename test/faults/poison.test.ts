import { it } from 'vitest';
import { poisonOn } from './poison.ts';
import { stageOnEngine } from './stages.ts';

it('R-21: messages that no handler can bear, by POP from the engine', async () => {
  await poisonOn(await stageOnEngine('pop'));
});
