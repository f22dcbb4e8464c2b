/** How the text of one setting becomes its value: one function per kind, used by the table in `options.ts`. */

/** One row of the options table. */
export interface Setting<T> {
  /** Environment variable. */
  readonly env: string;
  /** Flag without its dashes; absent where a setting has none. */
  readonly flag?: string;
  /** Where the flag is a switch without a value: what it stands for, and what `--no-…` does. */
  readonly switch?: { readonly on: string; readonly off: string };
  /** Default, written as a user would write it; absent where unset has a meaning of its own. */
  readonly fallback?: string;
  /** One sentence for `--help` and the options table. */
  readonly about: string;
  /** What may stand there, for messages and the table. */
  readonly allowed: string;
  /** True where the value must not be repeated in a message. */
  readonly secret?: boolean;
  /** The value, or undefined for a text that is not allowed. */
  readonly parse: (text: string) => T | undefined;
}

/** What every kind needs to be told. */
export interface SettingText {
  readonly env: string;
  readonly flag?: string;
  readonly about: string;
}

/** A setting whose kind has a default. */
export interface SettingWithFallback extends SettingText {
  readonly fallback: string;
}

/** Longest text of one setting: 16 name servers of 255 characters fit. */
export const settingCharsMax = 8192;

const namedText = (text: string): string | undefined => (text.length <= settingCharsMax ? text : undefined);

/** Any text. */
export function text(
  setting: SettingWithFallback & { readonly allowed: string; readonly secret?: boolean },
): Setting<string> {
  return { ...setting, parse: namedText };
}

/** Any text; undefined when unset. */
export function optionalText(
  setting: SettingText & { readonly allowed: string; readonly secret?: boolean },
): Setting<string | undefined> {
  return { ...setting, parse: namedText };
}

/** A whole number from `min` to `max`. */
export function integer(
  setting: SettingWithFallback & { readonly min: number; readonly max: number },
): Setting<number> {
  const { min, max } = setting;
  return {
    ...setting,
    allowed: `a whole number from ${min} to ${max}`,
    parse: (text) => {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** A duration from `min` to `max`, all three in Go's format; the value is in milliseconds. */
export function duration(
  setting: SettingWithFallback & { readonly min: string; readonly max: string },
): Setting<number> {
  const minMs = parseDuration(setting.min) ?? 0;
  const maxMs = parseDuration(setting.max) ?? 0;
  return {
    ...setting,
    allowed: `a duration such as 30s, 100ms or 1m30s, from ${setting.min} to ${setting.max}`,
    parse: (text) => {
      const valueMs = parseDuration(text);
      return valueMs !== undefined && valueMs >= minMs && valueMs <= maxMs ? valueMs : undefined;
    },
  };
}

/** One of some words, in any case. */
export function choice<const Word extends string>(
  setting: SettingWithFallback & {
    readonly words: readonly Word[];
    readonly switch?: { readonly on: Word; readonly off: Word };
  },
): Setting<Word> {
  return {
    ...setting,
    allowed: `one of ${setting.words.join(', ')}`,
    parse: (text) => setting.words.find((word) => word === text.toLowerCase()),
  };
}

/** Yes or no, in the words that Go's `strconv.ParseBool` takes, because the product that we replace took those. */
export function onOff(setting: SettingWithFallback): Setting<boolean> {
  return {
    ...setting,
    allowed: 'true or false',
    parse: (text) => {
      if (/^(true|t|1)$/i.test(text)) return true;
      return /^(false|f|0)$/i.test(text) ? false : undefined;
    },
  };
}

/** Origins of web pages, such as `https://shop.example`, separated by commas, or `*`; none when unset. */
export function origins(setting: SettingText): Setting<readonly string[]> {
  return {
    ...setting,
    fallback: '',
    allowed: 'origins such as `https://shop.example`, separated by commas, or `*`',
    parse: (text) => {
      const list = text.split(',').map((each) => each.trim().toLowerCase());
      if (text === '') return [];
      return text.length <= settingCharsMax && list.every(isOrigin) ? list : undefined;
    },
  };
}

function isOrigin(text: string): boolean {
  return text === '*' || (!text.includes('*') && URL.canParse(text) && new URL(text).origin === text);
}

const unitMs = new Map([
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ns', 1e-6],
]);

/**
 * A duration in the format of Go's `time.ParseDuration` without signs: decimal numbers, each with its unit, such as `1m30s` or
 * `1.5h`; a bare `0` too.
 * @returns whole milliseconds, rounded; undefined where the text is no duration.
 */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > 64 || !/^(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|us|µs|μs|ns|s))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, count, unit] of text.matchAll(/([\d.]+)([a-zµμ]+)/g)) {
    totalMs += Number(count) * (unitMs.get(unit ?? '') ?? Number.NaN);
  }
  return Math.round(totalMs);
}
