import { Code, ConnectError } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  groupName,
  type InstanceNamespace,
  nameInNamespace,
  namespaceOf,
  topicName,
} from '../../../src/proxy/session/names.ts';
import { groupLengthMax, topicLengthMax } from '../../../src/remoting/topic-names.ts';

/** The text of the refusal; fails for anything but INVALID_ARGUMENT. */
function refusal(work: () => unknown): string {
  try {
    return `taken: ${String(work())}`;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.InvalidArgument) return error.rawMessage;
    throw error;
  }
}

const legalName = fc.stringMatching(/^[A-Za-z0-9_|-]{1,40}$/);

describe('namespaceOf', () => {
  it.each<[InstanceNamespace, string, string]>([
    ['auto', '', ''],
    ['auto', 'rmq-cn-1', ''],
    ['auto', 'xMQ_INST_1', ''],
    ['auto', 'mq_inst_1', ''],
    ['auto', 'MQ_INST_1_abc', 'MQ_INST_1_abc'],
    ['always', '', ''],
    ['always', 'rmq-cn-1', 'rmq-cn-1'],
    ['always', 'MQ_INST_1_abc', 'MQ_INST_1_abc'],
    ['never', '', ''],
    ['never', 'MQ_INST_1_abc', ''],
    ['never', 'a%b', ''],
    ['auto', 'a%b', ''],
  ])('%s, instance %j: %j', (rule, instanceId, namespace) => {
    expect(namespaceOf(instanceId, rule)).toBe(namespace);
  });

  it.each<[InstanceNamespace, string]>([
    ['auto', 'MQ_INST_1%x'],
    ['always', '%'],
  ])('%s refuses %j as a namespace', (rule, instanceId) => {
    expect(refusal(() => namespaceOf(instanceId, rule))).toMatch(/^instance_id ".+" has a %/);
  });
});

describe.each([
  ['topic', topicName, topicLengthMax],
  ['group_id', groupName, groupLengthMax],
] as const)('the full name of a %s', (field, fullName, lengthMax) => {
  it('is the name itself where there is no namespace', () => {
    fc.assert(fc.property(legalName, (name) => fullName(name, '') === name));
  });

  it('has the namespace before it', () => {
    fc.assert(fc.property(legalName, (name) => fullName(name, 'MQ_INST_1') === `MQ_INST_1%${name}`));
  });

  it('may have as many characters as RocketMQ takes, namespace included', () => {
    const word = field === 'topic' ? 'topic' : 'group';
    expect(fullName('a'.repeat(lengthMax), '')).toHaveLength(lengthMax);
    expect(refusal(() => fullName('a'.repeat(lengthMax + 1), ''))).toBe(
      `the ${word} has ${lengthMax + 1} characters; at most ${lengthMax} are allowed`,
    );
    expect(fullName('a'.repeat(lengthMax - 3), 'ns')).toHaveLength(lengthMax);
    expect(refusal(() => fullName('a'.repeat(lengthMax - 2), 'ns'))).toBe(
      `with its namespace, the ${word} has ${lengthMax + 1} characters; at most ${lengthMax} are allowed`,
    );
  });

  it('is refused when it is empty', () => {
    expect(refusal(() => fullName('', ''))).toBe(`${field} is empty: name one`);
    expect(refusal(() => fullName('', 'ns'))).toBe(`${field} is empty: name one`);
  });

  it.each(['%', 'a%b', '%RETRY%g', '%DLQ%g', 'MQ_INST_1%a'])('is refused with a %%: %j', (name) => {
    for (const namespace of ['', 'MQ_INST_1']) {
      expect(refusal(() => fullName(name, namespace))).toBe(
        `${field} ${JSON.stringify(name)} has a %, which separates namespaces: leave it out`,
      );
    }
  });

  it.each(['a b', 'ü', 'a.b', 'a/b', '\u0000', '\ud800', 'a\n', '../a'])('is refused: %j', (name) => {
    expect(refusal(() => fullName(name, ''))).toContain('may only have letters, digits');
  });

  it('is refused for a namespace that is no name', () => {
    expect(refusal(() => fullName('a', 'MQ_INST_ '))).toContain('may only have letters, digits');
  });

  // RocketMQ puts neither its topics nor its groups into namespaces, so such a name would be shared by all instances.
  it.each(['TBW102', 'BenchmarkTest', 'rmq_sys_x', 'SCHEDULE_TOPIC_XXXX', 'TOOLS_CONSUMER', 'CID_RMQ_SYS_x'])(
    'is refused when it is RocketMQ’s own: %s',
    (name) => {
      for (const namespace of ['', 'MQ_INST_1']) {
        expect(refusal(() => fullName(name, namespace))).toBe(
          `${field} ${name} belongs to RocketMQ itself: use another name`,
        );
      }
    },
  );

  it('is shown as it was named', () => {
    for (const namespace of ['', 'MQ_INST_1']) expect(nameInNamespace(fullName('a', namespace))).toBe('a');
  });

  it('never leaves its namespace, whatever it is', () => {
    const names = fc.oneof(
      fc.string(),
      legalName,
      fc.constantFrom('CID_RMQ_SYS_', 'rmq_sys_', '%RETRY%', 'MQ_INST_1%a'),
    );
    fc.assert(
      fc.property(names, (name) => {
        const outcome = refusal(() => fullName(name, 'MQ_INST_1'));
        return outcome.startsWith('taken: ') ? outcome === `taken: MQ_INST_1%${name}` : outcome !== '';
      }),
    );
  });

  it('is told in a short text, however long the name', () => {
    const lengths = ['a', '%', 'ü', '\u0000'].map((char) => refusal(() => fullName(char.repeat(1_000_000), '')).length);
    expect(Math.max(...lengths)).toBeLessThan(1_000);
  });
});
