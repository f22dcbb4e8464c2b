import {
  isSystemGroup,
  isSystemTopic,
  validateGroup,
  validateTopic,
  wrapNamespace,
} from '../../remoting/topic-names.ts';
import { invalidArgument } from './rocketmq-error.ts';

/**
 * The full name of a topic: with its namespace. Refused are names of RocketMQ's own topics, and those that no broker takes. Retry and dead
 * letter topics, `%RETRY%group` and `%DLQ%group`, may be named.
 * @throws RocketMQError `INVALID_ARGUMENT`.
 */
export function fullTopic(topic: string, namespace: string): string {
  return fullName(topic, namespace, { kind: 'topic', validate: validateTopic, isSystem: isSystemTopic });
}

/** The full name of a group, by the same rules. */
export function fullGroup(group: string, namespace: string): string {
  return fullName(group, namespace, { kind: 'group', validate: validateGroup, isSystem: isSystemGroup });
}

/** @throws RocketMQError `INVALID_ARGUMENT` for what cannot stand before a name. */
export function checkNamespace(namespace: string): void {
  if (namespace === '' || /^[a-zA-Z0-9_-]{1,64}$/.test(namespace)) return;
  throw invalidArgument(
    `the namespace ${JSON.stringify(namespace.slice(0, 128))} may have 1 to 64 letters, digits, _ and -`,
  );
}

interface NameKind {
  readonly kind: string;
  readonly validate: (name: string) => string | undefined;
  readonly isSystem: (name: string) => boolean;
}

function fullName(name: string, namespace: string, { kind, validate, isSystem }: NameKind): string {
  if (typeof name !== 'string') throw invalidArgument(`the ${kind} is of type ${typeof name}: give its name`);
  const full = wrapNamespace(namespace, name);
  const reason = validate(full);
  if (reason !== undefined) throw invalidArgument(namespace === '' ? reason : `with its namespace, ${reason}`);
  if (isSystem(name)) throw invalidArgument(`the ${kind} ${name} belongs to RocketMQ itself: use another name`);
  return full;
}
