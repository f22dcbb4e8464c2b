import { destination, pino } from 'pino';

/** What every room logs through. It is handed in: only `server.ts` makes one. `message` says what happened, `fields` to what. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Least level that is written; `silent` writes nothing. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Where lines go. */
export interface LogDestination {
  write(line: string): void;
}

/** Longest line, in bytes; texts in the fields are cut so that it is kept. */
export const lineBytesMax = 4096;

/** For level, time and the JSON around the texts. */
const frameBytes = 512;
const messageBytesMax = 1024;
const depthMax = 5;

/** Names of fields whose text is never written, whatever it is; compared in lower case, without `_` and `-`. */
const secretNames =
  /secret|password|token|authorization|signature|credential|accesskey|sealkey|cookie|body|receipthandle|producerid|consumerid/;

/**
 * JSON lines on standard output: `level`, `time`, the fields, `message`. Fields that are named like secrets are not written; texts are
 * escaped by JSON and cut, so that one event is one line of at most `lineBytesMax`. A line is written before the call returns.
 */
export function createLog(level: LogLevel, lines: LogDestination = standardOutput()): Log {
  return pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (name) => ({ level: name }), log: (fields) => cleanFields(fields) },
      // Errors are fields like others here; pino would make something else of this one.
      serializers: { err: (value: unknown) => value },
      hooks: {
        logMethod([fields, message], method) {
          method.apply(this, [fields, cut(String(message), messageBytesMax)]);
        },
      },
    },
    lines,
  );
}

function standardOutput(): LogDestination {
  const output = destination({ fd: 1, sync: true });
  // A reader that has gone or a full disk is no reason to stop serving.
  output.on('error', () => {});
  return output;
}

/** Bytes that one line may still take. What comes after they are used up is left out. */
interface Budget {
  bytes: number;
}

/** Quotes, colon and comma around a name and its value. */
const entryBytes = 6;

function cleanFields(fields: object): Record<string, unknown> {
  return cleanEntries(Object.entries(fields), 1, { bytes: lineBytesMax - frameBytes - messageBytesMax });
}

function cleanEntries(entries: readonly [string, unknown][], depth: number, budget: Budget): Record<string, unknown> {
  const cleaned: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    if (budget.bytes <= 0) break;
    budget.bytes -= entryBytes;
    const key = spend(name, budget);
    cleaned[key] = isSecret(name, value) ? '[secret]' : clean(value, depth, budget);
  }
  return cleaned;
}

function cleanItems(items: readonly unknown[], depth: number, budget: Budget): unknown[] {
  const cleaned: unknown[] = [];
  for (const item of items) {
    if (budget.bytes <= 0) break;
    budget.bytes -= entryBytes;
    cleaned.push(clean(item, depth, budget));
  }
  return cleaned;
}

function isSecret(name: string, value: unknown): boolean {
  const holdsText = typeof value === 'string' || (typeof value === 'object' && value !== null);
  return holdsText && secretNames.test(name.toLowerCase().replace(/[_-]/g, ''));
}

function clean(value: unknown, depth: number, budget: Budget): unknown {
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  if (typeof value === 'object') return cleanObject(value, depth, budget);
  const text = spend(String(value), budget);
  return typeof value === 'number' ? value : text;
}

function cleanObject(value: object, depth: number, budget: Budget): unknown {
  if (value instanceof Uint8Array) return spend(`[${value.length} bytes]`, budget);
  if (value instanceof Date) return spend(String(value.toJSON()), budget);
  if (depth >= depthMax) return spend('[deeper]', budget);
  if (Array.isArray(value)) return cleanItems(value, depth + 1, budget);
  return cleanEntries(value instanceof Error ? errorEntries(value) : Object.entries(value), depth + 1, budget);
}

/** An error's facts; of its stack only where it was thrown, since the message stands in the rest of it again. */
function errorEntries(error: Error): [string, unknown][] {
  const { name, message, cause } = error;
  const facts: object = error;
  const at = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  const entries = Object.entries({ name, message, ...facts, cause, at: at?.slice(0, 4).join('\n') });
  return entries.filter(([, fact]) => fact !== undefined);
}

/** The text, cut to what the line has left. */
function spend(text: string, budget: Budget): string {
  const kept = cut(text, Math.max(0, budget.bytes));
  budget.bytes -= jsonBytes(kept);
  return kept;
}

const ellipsis = '…';

/** The text, or a beginning of it with an ellipsis, of at most `bytesMax` in JSON and 3 for the ellipsis. */
function cut(text: string, bytesMax: number): string {
  let kept = text.slice(0, bytesMax);
  while (jsonBytes(kept) > bytesMax) kept = kept.slice(0, Math.floor(kept.length * 0.8));
  return kept.length === text.length ? text : kept + ellipsis;
}

/** Without the quotes. */
function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
