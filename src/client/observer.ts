import type { ReceivedMessage } from './received-message.ts';
import type { OutgoingMessage, SendResult } from './send/outgoing-message.ts';

/** What kind of send it is. */
export type SendKind = 'normal' | 'half' | 'batch';

/** Sees one message being sent. */
export interface SendObservation {
  /** Properties that the message shall carry besides its own. */
  readonly properties: readonly (readonly [string, string])[];
  /** Runs what sends it, so that what happens therein belongs to it. */
  run<T>(send: () => Promise<T>): Promise<T>;
  stored(result: SendResult): void;
  failed(error: unknown): void;
}

/** How the work on a message ended. */
export type ProcessOutcome = 'success' | 'failure' | 'timeout';

/** Sees one message being worked on. */
export interface ProcessObservation {
  /** Runs the application's handler, so that what happens therein belongs to it. */
  run<T>(handler: () => T): T;
  /** @param error why it failed. */
  ended(outcome: ProcessOutcome, error?: unknown): void;
}

/** Sees a call that brings messages, or tells a broker what became of one. */
export interface CallObservation {
  run<T>(call: () => Promise<T>): Promise<T>;
  /** @param messages those that came. @param error why the call failed. */
  ended(messages: readonly ReceivedMessage[], error?: unknown): void;
}

/** Who reads, and what. */
export interface Reading {
  readonly group: string;
  readonly topic: string;
}

/** What a broker is told of a message. */
export type Settlement = 'ack' | 'nack' | 'changeInvisibleDuration';

/**
 * Sees what a client does: message traces and telemetry are made of it. Nothing in it may throw, wait, or change a message beyond
 * `properties`. Undefined as an answer: no interest in this one.
 */
export interface ClientObserver {
  sending?(message: OutgoingMessage, kind: SendKind): SendObservation | undefined;
  receiving?(reading: Reading): CallObservation | undefined;
  processing?(message: ReceivedMessage, group: string): ProcessObservation | undefined;
  settling?(message: ReceivedMessage, group: string, settlement: Settlement): CallObservation | undefined;
}

type Send = (message: OutgoingMessage) => Promise<SendResult>;

/** Sends one message in sight of an observer. Without one it costs nothing. */
export function observeSend(
  observer: ClientObserver | undefined,
  message: OutgoingMessage,
  kind: SendKind,
  send: Send,
): Promise<SendResult> {
  const observation = observer?.sending?.(message, kind);
  return observation === undefined ? send(message) : observedSend(observation, message, send);
}

async function observedSend(observation: SendObservation, message: OutgoingMessage, send: Send): Promise<SendResult> {
  const observed = withProperties(message, observation);
  try {
    const result = await observation.run(() => send(observed));
    observation.stored(result);
    return result;
  } catch (error) {
    observation.failed(error);
    throw error;
  }
}

/** Sends several messages in sight of an observer; each counts as one of its own. */
export async function observeBatch(
  observer: ClientObserver | undefined,
  messages: readonly OutgoingMessage[],
  send: (messages: readonly OutgoingMessage[]) => Promise<readonly SendResult[]>,
): Promise<readonly SendResult[]> {
  if (observer?.sending === undefined) return send(messages);
  const observations = messages.map((message) => observer.sending?.(message, 'batch'));
  const observed = messages.map((message, index) => withProperties(message, observations[index]));
  try {
    const results = await send(observed);
    for (const [index, result] of results.entries()) observations[index]?.stored(result);
    return results;
  } catch (error) {
    for (const observation of observations) observation?.failed(error);
    throw error;
  }
}

/** What is worked on, and by whom. */
interface Work<T> {
  readonly message: ReceivedMessage;
  readonly group: string;
  /** What a result means. Default: success. */
  readonly outcomeOf?: (result: T) => ProcessOutcome;
}

/** Has a handler work on a message in sight of an observer. */
export async function observeProcess<T>(
  observer: ClientObserver | undefined,
  { message, group, outcomeOf = () => 'success' }: Work<T>,
  handler: () => Promise<T> | T,
): Promise<T> {
  const observation = observer?.processing?.(message, group);
  if (observation === undefined) return handler();
  try {
    const result = await observation.run(handler);
    observation.ended(outcomeOf(result));
    return result;
  } catch (error) {
    observation.ended('failure', error);
    throw error;
  }
}

/** Makes a call that brings messages in sight of an observer. */
export async function observeReceive<M extends ReceivedMessage>(
  observer: ClientObserver | undefined,
  reading: Reading,
  receive: () => Promise<readonly M[]>,
): Promise<readonly M[]> {
  const observation = observer?.receiving?.(reading);
  if (observation === undefined) return receive();
  try {
    const messages = await observation.run(receive);
    observation.ended(messages);
    return messages;
  } catch (error) {
    observation.ended([], error);
    throw error;
  }
}

/** Tells a broker what became of a message, in sight of an observer. */
export async function observeSettle<T>(
  observer: ClientObserver | undefined,
  { message, group, settlement }: { message: ReceivedMessage; group: string; settlement: Settlement },
  settle: () => Promise<T>,
): Promise<T> {
  const observation = observer?.settling?.(message, group, settlement);
  if (observation === undefined) return settle();
  try {
    const result = await observation.run(settle);
    observation.ended([message]);
    return result;
  } catch (error) {
    observation.ended([message], error);
    throw error;
  }
}

/** Two observers as one; the first is the inner one. */
export function bothObservers(first: ClientObserver, second: ClientObserver): ClientObserver {
  return {
    sending: (message, kind) => bothSends(first.sending?.(message, kind), second.sending?.(message, kind)),
    receiving: (reading) => bothCalls(first.receiving?.(reading), second.receiving?.(reading)),
    processing: (message, group) =>
      bothProcesses(first.processing?.(message, group), second.processing?.(message, group)),
    settling: (message, group, settlement) =>
      bothCalls(first.settling?.(message, group, settlement), second.settling?.(message, group, settlement)),
  };
}

function bothSends(one: SendObservation | undefined, other: SendObservation | undefined): SendObservation | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    properties: [...one.properties, ...other.properties],
    run: (send) => other.run(() => one.run(send)),
    stored(result) {
      one.stored(result);
      other.stored(result);
    },
    failed(error) {
      one.failed(error);
      other.failed(error);
    },
  };
}

function bothCalls(one: CallObservation | undefined, other: CallObservation | undefined): CallObservation | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    run: (call) => other.run(() => one.run(call)),
    ended(messages, error) {
      one.ended(messages, error);
      other.ended(messages, error);
    },
  };
}

function bothProcesses(one: ProcessObservation | undefined, other: ProcessObservation | undefined) {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    run: <T>(handler: () => T): T => other.run(() => one.run(handler)),
    ended(outcome: ProcessOutcome, error?: unknown) {
      one.ended(outcome, error);
      other.ended(outcome, error);
    },
  };
}

function withProperties(message: OutgoingMessage, observation: SendObservation | undefined): OutgoingMessage {
  if (observation === undefined || observation.properties.length === 0) return message;
  return { ...message, properties: [...(message.properties ?? []), ...observation.properties] };
}
