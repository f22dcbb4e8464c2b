import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  choice,
  duration,
  integer,
  onOff,
  optionalText,
  origins,
  parseDuration,
  settingCharsMax,
  text,
} from '../src/option-kinds.ts';

const named = { env: 'X', about: 'Something.' };

describe('parseDuration', () => {
  it.each([
    ['30s', 30_000],
    ['100ms', 100],
    ['1m30s', 90_000],
    ['1h2m3s4ms', 3_723_004],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['0', 0],
    ['0s', 0],
    ['1500us', 2],
    ['1499µs', 1],
    ['1499μs', 1],
    ['2000000ns', 2],
    ['2m2m', 240_000],
  ])('reads %s as %d ms', (written, expected) => {
    expect(parseDuration(written)).toBe(expected);
  });

  it.each(['', '30', 's', '-1s', '+1s', '1 s', '1s ', '1d', '1S', '1e3s', '1..2s', '1s2', '١s', `${'1s'.repeat(33)}`])(
    'refuses %j',
    (written) => {
      expect(parseDuration(written)).toBeUndefined();
    },
  );

  it('reads whatever Go writes', () => {
    const part = (max: number) => fc.integer({ min: 0, max });
    fc.assert(
      fc.property(part(100), part(59), part(59), part(999), (hours, minutes, seconds, ms) => {
        const written = `${hours}h${minutes}m${seconds}.${String(ms).padStart(3, '0')}s`;
        expect(parseDuration(written)).toBe(((hours * 60 + minutes) * 60 + seconds) * 1000 + ms);
      }),
    );
  });
});

describe('kinds', () => {
  it('takes whole numbers within their bounds', () => {
    const { parse, allowed } = integer({ ...named, fallback: '1', min: 1, max: 65_535 });
    expect(['1', '65535'].map(parse)).toEqual([1, 65_535]);
    const refused = ['0', '65536', '-1', '1.5', '1e3', '0x10', ' 1', '', 'NaN', '9'.repeat(16)];
    expect(refused.map(parse)).toEqual(refused.map(() => undefined));
    expect(allowed).toBe('a whole number from 1 to 65535');
  });

  it('takes durations within their bounds', () => {
    const { parse, allowed } = duration({ ...named, fallback: '5s', min: '100ms', max: '5s' });
    expect(['100ms', '5s', '99ms', '5001ms', '30'].map(parse)).toEqual([100, 5000, undefined, undefined, undefined]);
    expect(allowed).toContain('from 100ms to 5s');
  });

  it('takes origins of web pages', () => {
    const { parse } = origins(named);
    expect(parse('')).toEqual([]);
    expect(parse('https://Shop.example, http://localhost:5173,*')).toEqual([
      'https://shop.example',
      'http://localhost:5173',
      '*',
    ]);
    const refused = ['shop.example', 'https://a/', 'https://a/b', 'https://a:443', 'https://*.a', 'https://a,', 'x:y'];
    expect(refused.map(parse)).toEqual(refused.map(() => undefined));
  });

  it('takes its words in any case', () => {
    const { parse, allowed } = choice({ ...named, fallback: 'auto', words: ['auto', 'never'] });
    expect(['auto', 'NEVER', 'always'].map(parse)).toEqual(['auto', 'never', undefined]);
    expect(allowed).toBe('one of auto, never');
  });

  it('may be chosen by a flag without a value', () => {
    const words = { on: 'always', off: 'never' } as const;
    const setting = choice({ ...named, fallback: 'auto', words: ['auto', 'always', 'never'], switch: words });
    expect(setting.switch).toEqual(words);
    expect(setting.parse(words.on)).toBe('always');
  });

  it('takes the words for yes and no that Go takes', () => {
    const { parse } = onOff({ ...named, fallback: 'true' });
    expect(['1', 't', 'T', 'true', 'TRUE', 'True'].map(parse)).toEqual(Array(6).fill(true));
    expect(['0', 'f', 'F', 'false', 'FALSE', 'False'].map(parse)).toEqual(Array(6).fill(false));
    expect(['yes', 'on', '2'].map(parse)).toEqual(Array(3).fill(undefined));
  });

  it('takes texts up to a length', () => {
    for (const { parse } of [
      text({ ...named, fallback: '', allowed: 'any' }),
      optionalText({ ...named, allowed: 'any' }),
    ]) {
      expect(parse('x'.repeat(settingCharsMax))).toHaveLength(settingCharsMax);
      expect(parse('x'.repeat(settingCharsMax + 1))).toBeUndefined();
    }
  });
});
