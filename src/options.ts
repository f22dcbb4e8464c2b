import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import type { Setting } from './option-kinds.ts';
import { settings } from './settings.ts';

type Settings = typeof settings;
type Value<S> = S extends Setting<infer T> ? T : never;

/** All settings, complete and checked. Durations are in milliseconds (`…Ms`); `undefined` means unset. */
export type ServerOptions = { readonly [Name in keyof Settings]: Value<Settings[Name]> } & {
  /** Variables of the replaced product that are set and have no effect here. */
  readonly ignored: readonly string[];
};

/** Settings of the replaced product for which there is nothing to set here. */
const withoutEffect: readonly string[] = [
  'WORKER_POOL_SIZE',
  'PRODUCER_POOL_SIZE',
  'CONSUMER_POOL_SIZE',
  'BATCH_SIZE',
  'FLUSH_INTERVAL',
  'PULL_INTERVAL',
];

/** The program is to end now: `message` is for its standard output when `exitCode` is 0 (help, version), else for standard error. */
export class OptionsExit extends Error {
  readonly exitCode: 0 | 2;

  constructor(exitCode: 0 | 2, message: string) {
    super(message);
    this.name = 'OptionsExit';
    this.exitCode = exitCode;
  }
}

/**
 * Settings from flags and environment; a flag wins. An empty value counts as unset.
 * @param argv arguments after the script's name.
 * @throws OptionsExit for `--help` and `--version` (code 0) and for anything that is not allowed (code 2).
 */
export function readOptions(argv: readonly string[], environment: NodeJS.ProcessEnv): ServerOptions {
  const flags = parseFlags(argv);
  const values = Object.entries<Setting<unknown>>(settings).map(([name, setting]) => [
    name,
    readSetting(setting, flags.get(setting.env), environment[setting.env]),
  ]);
  const ignored = withoutEffect.filter((name) => (environment[name] ?? '') !== '');
  // The entries are the table's own, each parsed by its own kind; the compiler cannot see that through Object.fromEntries.
  return Object.freeze({ ...Object.fromEntries(values), ignored }) as ServerOptions;
}

/** The options table of the README, in Markdown. */
export function optionsTable(): string {
  const rows = Object.values<Setting<unknown>>(settings).map((setting) => {
    const flag = flagText(setting);
    const fallback = (setting.fallback ?? '') === '' ? '' : `\`${setting.fallback}\``;
    return `| \`${setting.env}\` | ${flag} | ${fallback} | ${setting.about} | ${setting.allowed} |`;
  });
  return ['| Variable | Flag | Default | What it does | Allowed |', '|---|---|---|---|---|', ...rows].join('\n');
}

function readSetting(setting: Setting<unknown>, flag: string | undefined, variable: string | undefined): unknown {
  const fromFlag = flag !== undefined && flag !== '';
  const given = fromFlag ? flag : variable;
  if (given === undefined || given === '') {
    return setting.fallback === undefined ? undefined : setting.parse(setting.fallback);
  }
  const value = setting.parse(given.trim());
  if (value !== undefined) return value;
  const where = fromFlag ? `--${setting.flag}` : setting.env;
  const what = setting.secret === true ? 'its value' : `${JSON.stringify(given.slice(0, 100))}`;
  throw new OptionsExit(2, `${where}: ${what} is not allowed. It must be ${setting.allowed.replaceAll('`', '')}.`);
}

function flagText({ flag, switch: words }: Setting<unknown>): string {
  if (flag === undefined) return '';
  return words === undefined ? `\`--${flag}\`` : `\`--${flag}\`, \`--no-${flag}\``;
}

/** Flags that are given, by environment variable. */
function parseFlags(argv: readonly string[]): ReadonlyMap<string, string> {
  let output = '';
  const write = (chunk: string): void => {
    output += chunk;
  };
  const program = describeProgram().exitOverride().configureOutput({ writeOut: write, writeErr: write });
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander repeats `--unknown=value` whole, and the value may be a secret.
    const text = error.code === 'commander.unknownOption' ? output.replace(/=.*'/s, "=…'") : output;
    throw new OptionsExit(error.exitCode === 0 ? 0 : 2, text.trimEnd());
  }
  const given = new Map<string, string>();
  for (const setting of Object.values<Setting<unknown>>(settings)) {
    if (setting.flag === undefined) continue;
    const name = new Option(`--${setting.flag}`).attributeName();
    // Commander fills in defaults; what counts here is what was given.
    if (program.getOptionValueSource(name) !== 'cli') continue;
    const value: unknown = program.getOptionValue(name);
    const { switch: words } = setting;
    if (words !== undefined) given.set(setting.env, value === true ? words.on : words.off);
    else if (typeof value === 'string') given.set(setting.env, value);
  }
  return given;
}

function describeProgram(): Command {
  const program = new Command('rocketmq-grpc-proxy')
    .description('gRPC, gRPC-web and Connect in front of Apache RocketMQ.')
    .version(packageVersion())
    .helpOption('-h, --help', 'Show this help.');
  const variables: string[] = [];
  for (const setting of Object.values<Setting<unknown>>(settings)) {
    const { flag, fallback } = setting;
    // The sentences are written for Markdown.
    const about = setting.about.replaceAll('`', '');
    if (setting.switch !== undefined) {
      program
        .addOption(new Option(`--${flag}`, `${about} Variable: ${setting.env}.`))
        .addOption(new Option(`--no-${flag}`));
    } else if (flag === undefined) {
      variables.push(`  ${setting.env}${(fallback ?? '') === '' ? '' : `=${fallback}`}\n      ${about}`);
    } else {
      const option = new Option(`--${flag} <value>`, about).env(setting.env);
      program.addOption(fallback === undefined ? option : option.default(fallback));
    }
  }
  return program.addHelpText('after', `\nEnvironment only, with their defaults:\n${variables.join('\n')}`);
}

function packageVersion(): string {
  // Beside both `src` and `dist`.
  const parsed: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const hasVersion = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return hasVersion ? String(parsed.version) : 'unknown';
}
