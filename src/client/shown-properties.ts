import { isReservedProperty, MessageProperty } from '../remoting/message.ts';

/** RocketMQ's own properties that receivers see; the others hold plain receipts, addresses and the broker's bookkeeping. */
const shownNames: ReadonlySet<string> = new Set([
  MessageProperty.KEYS,
  MessageProperty.TAGS,
  MessageProperty.UNIQ_KEY,
  MessageProperty.SHARDING_KEY,
]);

/** The properties of a message that its receivers are to see: the sender's own, and four of RocketMQ's. The record has no prototype. */
export function shownProperties(properties: ReadonlyMap<string, string>): Record<string, string> {
  const shown: Record<string, string> = Object.create(null);
  for (const [name, value] of properties) {
    if (isShownProperty(name)) shown[name] = value;
  }
  return shown;
}

/** Whether receivers are to see properties of this name. */
export function isShownProperty(name: string): boolean {
  return shownNames.has(name) || !isReservedProperty(name);
}
