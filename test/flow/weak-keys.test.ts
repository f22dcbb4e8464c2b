import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { loadSealKeys } from '../../src/proxy/seal-keys.ts';
import { Row } from '../faults/figures.ts';

const hex = randomBytes(32).toString('hex');
const weak = [
  '',
  ' ',
  'secret',
  '0'.repeat(64),
  'ab'.repeat(32),
  hex.slice(2),
  `${hex}00`,

  `${hex},${hex.slice(2)}`,
];

it('R-64: no weak key is used, and who sets none is warned', () => {
  const settings = { sealKey: undefined, sealKeyFile: undefined, dataDir: 'memory' };
  const texts: string[] = [];
  for (const sealKey of weak) {
    try {
      loadSealKeys({ ...settings, sealKey });
    } catch (error) {
      texts.push(String(error));
    }
  }
  const [one, other] = [loadSealKeys(settings), loadSealKeys(settings)];
  new Row('R-64')
    .tell('keys that are weak or none', weak.length)
    .exactly('of them taken', weak.length - texts.length, 0)
    .exactly('texts that tell the key', texts.filter((text) => text.includes(hex.slice(2, 20))).length, 0)
    .exactly('bytes of the key that is made where none is set', one.keys[0]?.length ?? 0, 32)
    .judge();
  expect(one.warning).toMatch(/random key/);
  expect(one.keys).not.toEqual(other.keys);
});
