import type { PublishResponse, SendOutcome } from '../../gen/rocketmq/rocketmq_pb.ts';
import { codeName, MQError } from '../mq-error.ts';
import type { ProxyCalls } from './proxy-calls.ts';
import type { ProxyChannel } from './proxy-channel.ts';
import { type PublishFields, PublishStream } from './publish-stream.ts';
import type { TokenWait } from './token.ts';

/** One stream at each proxy, opened when it is first needed: for what is sent together it takes a fraction of what calls take. */
export class PublishStreams {
  readonly #calls: ProxyCalls;
  readonly #streams = new Map<ProxyChannel, PublishStream>();

  constructor(calls: ProxyCalls) {
    this.#calls = calls;
  }

  /** Whether there is a stream that would otherwise be idle soon. */
  get isOpen(): boolean {
    return [...this.#streams.values()].some(({ isOpen }) => isOpen);
  }

  /** @returns an outcome for each message, in order. @throws MQError where there are none. */
  send(request: PublishFields, wait: TokenWait): Promise<readonly SendOutcome[]> {
    const ask = async (channel: ProxyChannel): Promise<readonly SendOutcome[]> => {
      const stream = this.#openAt(channel) ?? (await this.#open(channel, wait));
      return outcomesOf(await stream.send(request, wait.endsAtMs));
    };
    return this.#calls.channels.at(ask, wait);
  }

  /** What is under way is still answered. */
  end(): void {
    for (const stream of this.#streams.values()) stream.end();
    this.#streams.clear();
  }

  #openAt(channel: ProxyChannel): PublishStream | undefined {
    const stream = this.#streams.get(channel);
    return stream?.isOpen === true ? stream : undefined;
  }

  async #open(channel: ProxyChannel, wait: TokenWait): Promise<PublishStream> {
    const metadata = await this.#calls.metadata(wait);
    // Another send may have opened one while the token was waited for.
    const other = this.#openAt(channel);
    if (other !== undefined) return other;
    this.#streams.get(channel)?.end();
    const stream = new PublishStream(channel, metadata);
    this.#streams.set(channel, stream);
    return stream;
  }
}

function outcomesOf({ outcome, outcomes }: PublishResponse): readonly SendOutcome[] {
  if (outcome?.success === true) return outcomes;
  if (outcome === undefined)
    throw new MQError('INTERNAL', 'OUTCOME_UNKNOWN', 'the proxy did not say how the messages fared');
  throw new MQError(codeName(outcome.code), outcome.reason, outcome.message);
}
