import {
  isSystemGroup,
  isSystemTopic,
  validateGroup,
  validateTopic,
  wrapNamespace,
} from '../../remoting/topic-names.ts';
import { invalid } from '../rpc/failures.ts';

/** `auto`: an instance id is a namespace where it starts with `MQ_INST_`, as on Alibaba Cloud; elsewhere it changes no name. */
export type InstanceNamespace = 'auto' | 'always' | 'never';

const namespacePrefix = 'MQ_INST_';

/** The namespace that an instance id stands for; '' for none. */
export function namespaceOf(instanceId: string, rule: InstanceNamespace): string {
  if (rule === 'never' || instanceId === '') return '';
  return rule === 'always' || instanceId.startsWith(namespacePrefix) ? checkNamespace(instanceId) : '';
}

/**
 * The full name of a topic: with its namespace. Refused are names of RocketMQ's own topics and groups, and `%`, which separates namespaces
 * and marks retry topics.
 * @throws ConnectError INVALID_ARGUMENT.
 */
export function topicName(topic: string, namespace: string): string {
  return fullName('topic', topic, namespace, validateTopic);
}

/** The full name of a consumer group, by the same rules. */
export function groupName(group: string, namespace: string): string {
  return fullName('group_id', group, namespace, validateGroup);
}

/** The full name of a producer group, by the same rules. */
export function producerGroupName(group: string, namespace: string): string {
  return fullName('producer_group', group, namespace, validateGroup);
}

/** The namespace of a full name; '' for none. */
export function namespaceIn(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.indexOf('%')));
}

/** A full name without its namespace: as clients name it. */
export function nameInNamespace(fullName: string): string {
  return fullName.slice(fullName.indexOf('%') + 1);
}

function fullName(field: string, name: string, namespace: string, validate: typeof validateTopic): string {
  if (name === '') throw invalid(`${field} is empty: name one`);
  if (name.includes('%')) throw invalid(`${field} ${quote(name)} has a %, which separates namespaces: leave it out`);
  const full = wrapNamespace(namespace, name);
  const reason = validate(full);
  if (reason !== undefined) throw invalid(namespace === '' ? reason : `with its namespace, ${reason}`);
  // Both kinds for both: RocketMQ puts neither into a namespace, so all instances would share a group named like a system topic.
  if (isSystemTopic(name) || isSystemGroup(name)) {
    throw invalid(`${field} ${name} belongs to RocketMQ itself: use another name`);
  }
  return full;
}

function checkNamespace(instanceId: string): string {
  if (instanceId.includes('%')) throw invalid(`instance_id ${quote(instanceId)} has a %: leave it out`);
  return instanceId;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 128));
}
