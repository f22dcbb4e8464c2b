import { readdirSync } from 'node:fs';
import { type Command, type CommandContent, newExtFields } from '../../src/remoting/command.ts';
import type { FieldTable, RequestDefinition } from '../../src/remoting/fields.ts';
import { Mutator } from './mutator.ts';

type Definition = RequestDefinition<FieldTable, FieldTable>;

/** One request code with the names of its header fields, and bodies that make sense. */
interface Grammar {
  readonly code: number;
  readonly fields: readonly string[];
  readonly bodies: readonly Buffer[];
}

/** Where the definitions of all requests are. */
const folder = new URL('../../src/remoting/requests/', import.meta.url);

/** Reads from the definitions which header fields each request code has. */
export async function readGrammars(bodies: ReadonlyMap<number, readonly string[]>): Promise<readonly Grammar[]> {
  const grammars: Grammar[] = [];
  for (const name of readdirSync(folder)) {
    const exported: Readonly<Record<string, unknown>> = await import(new URL(name, folder).href);
    for (const value of Object.values(exported).filter(isDefinition)) {
      const texts = bodies.get(value.code) ?? [];
      grammars.push({ code: value.code, fields: fieldsOf(value), bodies: texts.map((text) => Buffer.from(text)) });
    }
  }
  return grammars;
}

function isDefinition(value: unknown): value is Definition {
  return typeof value === 'object' && value !== null && 'code' in value && 'decodeReply' in value;
}

/** What it looks for in a header: each field is there, whatever its name. */
function fieldsOf(definition: Definition): readonly string[] {
  const names = new Set<string>();
  const extFields = new Proxy(newExtFields(), {
    get: (_fields, name) => {
      names.add(String(name));
      return '1';
    },
  });
  const command: Command = {
    code: definition.code,
    opaque: 0,
    flag: 0,
    version: 0,
    remark: undefined,
    extFields,
    body: Buffer.alloc(0),
  };
  definition.decode(command);
  return [...names];
}

const numbers = [
  ...[
    '0',
    '-0',
    '1',
    '-1',
    '2',
    '3',
    '7',
    '8',
    '12',
    '32',
    '33',
    '100',
    '1023',
    '1024',
    '65535',
    '65536',
    '-2',
    '-32768',
  ],
  ...['2147483647', '2147483648', '-2147483648', '-2147483649', '4294967295', '4294967296', '9007199254740991'],
  ...['9007199254740992', '-9007199254740992', '9223372036854775807', '-9223372036854775808', '9223372036854775808'],
  ...['1e9', '0x10', '1.5', ' 1', '+1', 'NaN', 'Infinity', '', 'null', 'true', 'false', '00000000000000000001'],
];
const names = [
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '%RETRY%', '%DLQ%', '%RETRY%fuzz_fuzz', '%RETRY%fuzz'],
  ...['%DLQ%fuzz', '%RETRY%%RETRY%fuzz', 'TBW102', 'SCHEDULE_TOPIC_XXXX', 'RMQ_SYS_TRANS_HALF_TOPIC', 'broker-a'],
  ...['RMQ_SYS_TRANS_OP_HALF_TOPIC', 'rmq_sys_wheel_timer', 'rmq_sys_ENGINE_STATE', 'rmq_sys_ENGINE_LOG'],
  ...[
    'rmq_sys_ENGINE_DROP',
    'rmq_sys_ENGINE_RECALL',
    'DefaultCluster',
    'DefaultCluster_REPLY_TOPIC',
    'Thema-ä-\u{1f600}',
  ],
  ...[
    'a\u0001b\u0002c',
    '\u0000',
    '../../etc/passwd',
    'x'.repeat(127),
    'x'.repeat(128),
    'x'.repeat(40_000),
    '*',
    'a || b',
  ],
];
const properties = [
  ...[
    'REAL_TOPIC',
    'REAL_QID',
    'TIMER_OUT_MS',
    'TIMER_DELIVER_MS',
    'TIMER_DELAY_MS',
    'TIMER_DELAY_SEC',
    'DELAY',
    'TRAN_MSG',
  ],
  ...['PGROUP', 'UNIQ_KEY', 'KEYS', 'TAGS', '1ST_POP_TIME', 'POP_CK', 'INNER_NUM', 'INNER_BASE', '__RMQ.TRANSIENT.x'],
  ...[
    '__transactionId__',
    'TRANSACTION_CHECK_TIMES',
    'CHECK_IMMUNITY_TIME_IN_SECONDS',
    'RETRY_TOPIC',
    'ORIGIN_MESSAGE_ID',
  ],
  ...[
    'REPLY_TO_CLIENT',
    'CORRELATION_ID',
    'TTL',
    'WAIT',
    'BUYER_ID',
    '__proto__',
    'constructor',
    'CLUSTER',
    '__SHARDINGKEY',
  ],
];
const expressions = [
  '*',
  'a || b',
  "a = 'b' AND c > 5",
  'TRUE',
  '((((((1=1))))))',
  "x IN ('a','b')",
  'a BETWEEN 1 AND 2',
  'NOT',
];

/** Makes requests of all codes whose fields hold what clients should not send; the same ones for the same seed. */
export class RequestFuzzer {
  readonly #grammars: readonly Grammar[];
  readonly #mutator: Mutator;
  /** Texts that the engine gave out: offsets, receipts, ids. */
  readonly #seen: string[] = [];

  constructor(grammars: readonly Grammar[], seed: number) {
    this.#grammars = grammars;
    this.#mutator = new Mutator(seed);
  }

  /** Hears what was answered, to ask with it. */
  learn({ extFields }: Pick<Command, 'extFields'>): void {
    for (const text of Object.values(extFields)) if (text.length < 300) this.#remember(text);
    const { POP_TIME: popTime } = extFields;
    if (extFields['msgOffsetInfo'] !== undefined) this.#remember(`0 ${popTime ?? 0} 60000 0 0 broker-a 0 0`);
  }

  #remember(text: string): void {
    if (this.#seen.length < 500) this.#seen.push(text);
    else this.#seen[this.#mutator.below(500)] = text;
  }

  /** @param topics Names that are real. */
  next(topics: readonly string[]): CommandContent {
    const { code, fields, bodies } = this.#mutator.pick(this.#grammars);
    const extFields = newExtFields();
    const wildness = this.#mutator.pick([0.02, 0.1, 0.5]);
    for (const field of fields) {
      if (this.#mutator.below(40) === 0) continue;
      extFields[field] = this.#isTrue(wildness) ? this.#wild() : this.#fitting(field, topics);
    }
    return {
      code: this.#mutator.below(200) === 0 ? this.#mutator.below(1_000) : code,
      extFields,
      body: this.#body(bodies),
    };
  }

  #isTrue(share: number): boolean {
    return this.#mutator.below(1_000) < 1_000 * share;
  }

  #wild(): string {
    const { pick, below } = { pick: this.#pick, below: (bound: number) => this.#mutator.below(bound) };
    switch (below(6)) {
      case 0:
      case 1:
        return pick(numbers);
      case 2:
        return pick(names);
      case 3:
        return pick(expressions);
      case 4:
        return this.#properties();
      default:
        return this.#seen.length === 0 ? '' : pick(this.#seen);
    }
  }

  readonly #pick = <T>(values: readonly T[]): T => this.#mutator.pick(values);

  /** What the field may well hold, as far as its name says it. */
  #fitting(field: string, topics: readonly string[]): string {
    if (/topic|^b$/i.test(field)) return this.#isTrue(0.1) ? this.#pick(names) : this.#pick(topics);
    if (/group|^a$/i.test(field)) return this.#pick(['fuzz', 'other', 'third']);
    if (/propert|^i$/i.test(field)) return this.#properties();
    if (/expressionType/i.test(field)) return this.#pick(['TAG', 'SQL92', '']);
    if (/exp|subscription$/i.test(field)) return this.#pick(expressions);
    if (/extra|handle|msgId|key|offset/i.test(field) && this.#seen.length > 0 && this.#isTrue(0.5))
      return this.#pick(this.#seen);
    if (/time|suspend|poll|duration/i.test(field))
      return this.#pick(['0', '1', '50', '1000', '1700000000000', '3000000000000']);
    return String(this.#mutator.below(4));
  }

  #properties(): string {
    const pairs = Array.from({ length: this.#mutator.below(5) }, () => {
      const name = this.#pick(this.#isTrue(0.1) ? names : properties);
      const value = this.#pick(this.#pick([numbers, names, ['true', 'fuzz', '1', '5', String(Date.now() + 50)]]));
      return `${name}\u0001${value}\u0002`;
    });
    return pairs.join('');
  }

  #body(bodies: readonly Buffer[]): Buffer {
    if (bodies.length === 0) return Buffer.alloc(this.#pick([0, 1, 10, 300]), 'body');
    const kind = this.#mutator.below(10);
    if (kind === 0) return this.#mutator.mutate(bodies);
    const body = this.#pick(bodies);
    return kind < 4 ? body : Buffer.from(this.#changedJson(body.toString()));
  }

  /** The same with one to three of its values changed. */
  #changedJson(text: string): string {
    let changed = text;
    for (let count = this.#mutator.below(3); count >= 0; count -= 1) {
      const values = [...changed.matchAll(/(?<=[:[,])(?:"[^"]*"|-?\d+|true|false|null)(?=[,\]}])/g)];
      if (values.length === 0) return changed;
      const value = this.#pick(values);
      const next = this.#pick([
        ...numbers,
        ...names.map((name) => JSON.stringify(name)),
        '[]',
        '{}',
        '"1"',
        '[1,2]',
        '{"a":1}',
      ]);
      changed = changed.slice(0, value.index) + next + changed.slice(value.index + value[0].length);
    }
    return changed;
  }
}
