import { SystemTopic } from '../../remoting/topic-names.ts';
import { bothObservers, type ClientObserver } from '../observer.ts';
import type { ClientOptions } from '../options.ts';
import { messageTrace } from './message-trace.ts';
import { TraceDispatcher, traceDispatcherDefaults } from './trace-dispatcher.ts';

/** Message traces of one client. */
export interface Tracing {
  /** Traces, and tells the observer of the options. */
  readonly observer: ClientObserver;
  readonly dispatcher: TraceDispatcher;
}

type Parts = Pick<ClientOptions, 'trace' | 'observer' | 'producerGroup' | 'log'> & {
  readonly createMessageId: () => string;
  readonly send: ConstructorParameters<typeof TraceDispatcher>[0];
};

/** Undefined where the options want no traces. */
export function startTracing({ trace, observer, ...parts }: Parts): Tracing | undefined {
  if (trace === undefined) return undefined;
  const { topic = SystemTopic.TRACE } = trace;
  const dispatcher = new TraceDispatcher(parts.send, { ...traceDispatcherDefaults, topic }, parts.log);
  const traces = messageTrace({ ...parts, topic, dispatcher });
  const all = observer === undefined ? traces : bothObservers(traces, observer);
  // What sends the traces is nobody's message.
  const sending: ClientObserver['sending'] = (message, kind) =>
    message.topic === topic ? undefined : all.sending?.(message, kind);
  return { observer: { ...all, sending }, dispatcher };
}
