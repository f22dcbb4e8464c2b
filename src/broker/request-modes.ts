import { isJsonObject, type Json } from '../remoting/json.ts';
import { type MessageRequestMode, messageRequestModes } from '../remoting/requests/query-assignment.ts';
import type { MessageRequestModeSetting } from '../remoting/requests/set-message-request-mode.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import { RequestRefused } from './refused.ts';
import type { StateLog, StatePart } from './state-log.ts';

/** Most settings that are kept; each is one topic in one group, set by an administrator. */
export const requestModeCountMax = 10_000;

/** How the members of a group read a topic, where the engine assigns the queues (Java `MessageRequestModeManager`). */
export class RequestModes implements StatePart {
  readonly name = 'request-modes';
  readonly #settings = new Map<string, MessageRequestModeSetting>();

  /** Undefined: nobody has said. */
  get(topic: string, consumerGroup: string): MessageRequestModeSetting | undefined {
    return this.#settings.get(keyOf(topic, consumerGroup));
  }

  /** @throws RequestRefused SYSTEM_ERROR when there are too many; StoreError. */
  async put(setting: MessageRequestModeSetting, state: StateLog): Promise<void> {
    const { topic, consumerGroup } = setting;
    if (this.#settings.size >= requestModeCountMax && this.get(topic, consumerGroup) === undefined) {
      throw new RequestRefused(ResponseCode.SYSTEM_ERROR, `there are ${requestModeCountMax} request modes already`);
    }
    await state.write(this, setting as unknown as Json);
  }

  snapshot(): Json {
    return [...this.#settings.values()] as unknown as Json;
  }

  restore(snapshot: Json): void {
    for (const setting of Array.isArray(snapshot) ? (snapshot as readonly Json[]) : []) this.apply(setting);
  }

  apply(change: Json): void {
    const setting = readSetting(change);
    this.#settings.set(keyOf(setting.topic, setting.consumerGroup), setting);
  }
}

function keyOf(topic: string, consumerGroup: string): string {
  return `${topic} ${consumerGroup}`;
}

function readSetting(value: Json): MessageRequestModeSetting {
  const { topic, consumerGroup, mode, popShareQueueCount } = isJsonObject(value) ? value : {};
  const known: MessageRequestMode | undefined = messageRequestModes.find((one) => one === mode);
  if (typeof topic !== 'string' || typeof consumerGroup !== 'string' || known === undefined) {
    throw new Error('a message request mode makes no sense');
  }
  const share = typeof popShareQueueCount === 'number' ? popShareQueueCount : 0;
  return { topic, consumerGroup, mode: known, popShareQueueCount: share };
}
