import { isSystemGroup, isSystemTopic, validateGroup, validateTopic, wrapNamespace } from '../remoting/topic-names.ts';
import { invalid } from './failures.ts';

/** `auto`: an instance id is a namespace where it starts with `MQ_INST_`, as on Alibaba Cloud; elsewhere it changes no name. */
export type InstanceNamespace = 'auto' | 'always' | 'never';

const namespacePrefix = 'MQ_INST_';

/** The namespace that an instance id stands for; '' for none. */
export function namespaceOf(instanceId: string, rule: InstanceNamespace): string {
  if (rule === 'never' || instanceId === '') return '';
  return rule === 'always' || instanceId.startsWith(namespacePrefix) ? checkNamespace(instanceId) : '';
}

/**
 * The full name of a topic. Names of RocketMQ's own topics, and `%`, which separates namespaces and marks retry topics, are refused.
 * @throws ConnectError INVALID_ARGUMENT.
 */
export function topicName(topic: string, namespace: string): string {
  if (topic === '') throw invalid('topic is empty: name one');
  if (topic.includes('%')) throw invalid(`topic ${quote(topic)} has a %, which separates namespaces: leave it out`);
  if (isSystemTopic(topic)) throw invalid(`topic ${topic} belongs to RocketMQ itself: use another name`);
  return checked(wrapNamespace(namespace, topic), validateTopic);
}

/** The full name of a consumer group, by the same rules. */
export function groupName(group: string, namespace: string): string {
  if (group === '') throw invalid('group_id is empty: name a consumer group');
  if (group.includes('%')) throw invalid(`group_id ${quote(group)} has a %, which separates namespaces: leave it out`);
  if (isSystemGroup(group)) throw invalid(`group_id ${group} belongs to RocketMQ itself: use another name`);
  return checked(wrapNamespace(namespace, group), validateGroup);
}

function checkNamespace(instanceId: string): string {
  if (instanceId.includes('%')) throw invalid(`instance_id ${quote(instanceId)} has a %: leave it out`);
  return instanceId;
}

function checked(name: string, validate: (name: string) => string | undefined): string {
  const reason = validate(name);
  if (reason !== undefined) throw invalid(reason);
  return name;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 128));
}
