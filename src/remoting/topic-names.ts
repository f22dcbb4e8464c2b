/** Topic whose settings an auto-created one copies; brokers that auto-create have it (Java `TopicValidator`). */
export const defaultTopic = 'TBW102';

/** Most characters of a topic (Java `TopicValidator.TOPIC_MAX_LENGTH`). */
export const topicLengthMax = 127;

/**
 * Most characters of a group. Clients used to allow 255, but a group's retry topic has a prefix of seven characters and must itself
 * be a topic: above 120, brokers 4.x refuse to store what the group sends back (Java `TopicValidator.GROUP_MAX_LENGTH`).
 */
export const groupLengthMax = 120;

const retryPrefix = '%RETRY%';
const deadLetterPrefix = '%DLQ%';
const namespaceEnd = '%';

/** Topic of the messages that a group sent back (pull). */
export function retryTopic(group: string): string {
  return retryPrefix + group;
}

/** True for topics of messages that come again, of either kind. */
export function isRetryTopic(topic: string): boolean {
  return topic.startsWith(retryPrefix);
}

/** Topic of the messages that a group gave up. */
export function deadLetterTopic(group: string): string {
  return deadLetterPrefix + group;
}

/** Topic by which replies to requests go to their broker; every broker of the cluster has it (Java `MixAll.getReplyTopic`). */
export function replyTopic(clusterName: string): string {
  return `${clusterName}_REPLY_TOPIC`;
}

/** Topic of what comes again after a POP, as brokers have it by default. The form is ambiguous: never split it without the group. */
export function popRetryTopicV1(group: string, topic: string): string {
  return `${retryPrefix}${group}_${topic}`;
}

/** The same on brokers with `enableRetryTopicV2`. */
export function popRetryTopicV2(group: string, topic: string): string {
  return `${retryPrefix}${group}+${topic}`;
}

/**
 * How brokers write the kind of a topic into POP data: 0 normal, 1 retry, 2 retry of the second form
 * (Java `ExtraInfoUtil.getRetry`).
 */
export function retryKindOf(topic: string): '0' | '1' | '2' {
  if (!topic.startsWith(retryPrefix)) return '0';
  return topic.includes('+') ? '2' : '1';
}

/** Topics that every broker has for itself (Java `TopicValidator`). */
export const SystemTopic = {
  /** Messages that wait for the end of a delay level: one queue for each level. */
  SCHEDULE: 'SCHEDULE_TOPIC_XXXX',
  /** Messages that wait for a time of their own (Java `TimerMessageStore.TIMER_TOPIC`). */
  TIMER: 'rmq_sys_wheel_timer',
  /** Half messages of transactions. */
  HALF: 'RMQ_SYS_TRANS_HALF_TOPIC',
  /** How half messages ended. */
  HALF_ENDED: 'RMQ_SYS_TRANS_OP_HALF_TOPIC',
  /** Half messages whose producers never said how they ended. */
  HALF_GIVEN_UP: 'TRANS_CHECK_MAX_TIME_TOPIC',
  /** Where clients send their message traces, unless told another. */
  TRACE: 'RMQ_SYS_TRACE_TOPIC',
  SELF_TEST: 'SELF_TEST_TOPIC',
  OFFSET_MOVED: 'OFFSET_MOVED_EVENT',
} as const;

const systemTopics: ReadonlySet<string> = new Set([
  ...Object.values(SystemTopic),
  defaultTopic,
  'BenchmarkTest',
  'RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC',
  'RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC',
  'CHECKPOINT_TOPIC',
]);

/** How the other topics begin that brokers have for themselves (Java `TopicValidator.SYSTEM_TOPIC_PREFIX`). */
export const systemTopicPrefix = 'rmq_sys_';

/** True for topics that brokers use for themselves (Java `TopicValidator.isSystemTopic`). Brokers let clients write to some. */
export function isSystemTopic(name: string): boolean {
  return systemTopics.has(name) || name.startsWith(systemTopicPrefix);
}

const systemGroups: ReadonlySet<string> = new Set([
  'TOOLS_CONSUMER',
  'SCHEDULE_CONSUMER',
  'FILTERSRV_CONSUMER',
  '__MONITOR_CONSUMER',
  'CLIENT_INNER_PRODUCER',
  'SELF_TEST_P_GROUP',
  'SELF_TEST_C_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
  'CID_ONSAPI_PULL',
]);
const systemGroupPrefix = 'CID_RMQ_SYS_';

/** True for groups that brokers and their tools use for themselves (Java `MixAll`). */
export function isSystemGroup(name: string): boolean {
  return systemGroups.has(name) || name.startsWith(systemGroupPrefix);
}

/**
 * Topic or group of an instance with a namespace: `ns%name`, after the prefix of a retry or dead-letter topic. Leaves a name alone
 * that has the namespace already, an empty one, and those of the system (Java `NamespaceUtil.wrapNamespace`).
 */
export function wrapNamespace(namespace: string, name: string): string {
  if (namespace === '' || name === '' || isOutsideNamespaces(name)) return name;
  const { prefix, rest } = splitPrefix(name);
  const wrapped = namespace + namespaceEnd;
  return rest.startsWith(wrapped) ? name : prefix + wrapped + rest;
}

/** Takes the namespace off again; a name of another namespace, or of none, stays as it is. */
export function unwrapNamespace(namespace: string, name: string): string {
  if (namespace === '') return name;
  const { prefix, rest } = splitPrefix(name);
  const wrapped = namespace + namespaceEnd;
  return rest.startsWith(wrapped) ? prefix + rest.slice(wrapped.length) : name;
}

/** Java looks at fewer groups here than elsewhere: a topic may share its name with one of the tools' groups. */
function isOutsideNamespaces(name: string): boolean {
  return isSystemTopic(name) || name.startsWith(systemGroupPrefix);
}

function splitPrefix(name: string): { readonly prefix: string; readonly rest: string } {
  const prefix = [retryPrefix, deadLetterPrefix].find((candidate) => name.startsWith(candidate)) ?? '';
  return { prefix, rest: name.slice(prefix.length) };
}

/** Why a name cannot be a topic; undefined when it can. Says nothing about whether the topic is a system's or exists. */
export function validateTopic(name: string): string | undefined {
  return validate('topic', name, topicLengthMax);
}

/** Why a name cannot be a group; undefined when it can. */
export function validateGroup(name: string): string | undefined {
  return validate('group', name, groupLengthMax);
}

function validate(what: string, name: string, lengthMax: number): string | undefined {
  if (name === '') return `the ${what} is empty; name one`;
  if (name.length > lengthMax) return `the ${what} has ${name.length} characters; at most ${lengthMax} are allowed`;
  if (!/^[%|a-zA-Z0-9_-]+$/.test(name)) {
    return `the ${what} ${JSON.stringify(name)} may only have letters, digits and the characters % | _ -`;
  }
  return undefined;
}
