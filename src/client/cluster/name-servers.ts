import type { Command, CommandContent } from '../../remoting/command.ts';
import type { Deadline } from '../../remoting/deadline.ts';
import { RemotingError } from '../../remoting/errors.ts';
import { decodeBrokerNames, getClusterInfo } from '../../remoting/requests/get-cluster-info.ts';
import { decodeRoute, getRoute, type TopicRoute } from '../../remoting/requests/get-route.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import type { Channels } from './channels.ts';

/** Longest wait for one name server before the next is asked, in ms. */
const attemptTimeoutMs = 3_000;

/** `host:port` of each; or who knows them, and may have to ask first. */
export type NameServerSource = readonly string[] | { addresses(deadline: Deadline): Promise<readonly string[]> };

/** The name servers of one cluster. They do not talk to each other, so their routes may differ for up to 30 s. */
export class NameServers {
  readonly #source: NameServerSource;
  readonly #channels: Channels;
  /** The one that gave the last route. */
  #preferred = '';

  constructor(source: NameServerSource, channels: Channels) {
    this.#source = source;
    this.#channels = channels;
  }

  /**
   * The route of a topic, or undefined when no name server that can be reached has one.
   * @param doubted The last route led astray: whoever gave it is asked last.
   * @throws RemotingError `connect` naming the endpoint when none can be reached; `timeout`, `cancelled`; ResponseError.
   */
  async route(topic: string, deadline: Deadline, doubted = false): Promise<TopicRoute | undefined> {
    const request = getRoute.encode({ topic, acceptStandardJsonOnly: true });
    let failure: unknown;
    let answered = false;
    const addresses = await this.#inTurn(deadline, doubted);
    for (const address of addresses) {
      try {
        const reply = await this.#ask(address, request, deadline);
        if (reply.code !== ResponseCode.TOPIC_NOT_EXIST) {
          getRoute.decodeReply(reply, address);
          const route = decodeRoute(reply);
          this.#preferred = address;
          return route;
        }
        answered = true;
      } catch (error) {
        deadline.check(`asking ${address} for a route`);
        failure = error;
      }
    }
    if (answered) return undefined;
    throw unreachable(addresses, failure);
  }

  /** Whether any broker is registered; undefined when no name server can tell. */
  async hasBrokers(deadline: Deadline): Promise<boolean | undefined> {
    let answered = false;
    for (const address of await this.#inTurn(deadline)) {
      try {
        const reply = await this.#ask(address, getClusterInfo.encode({}), deadline);
        getClusterInfo.decodeReply(reply, address);
        if (decodeBrokerNames(reply).length > 0) return true;
        answered = true;
      } catch {
        deadline.check(`asking ${address} for its brokers`);
      }
    }
    return answered ? false : undefined;
  }

  /**
   * The first answer, whatever its code, and who gave it.
   * @throws RemotingError `connect` naming the endpoint when none can be reached; `timeout`, `cancelled`.
   */
  async invoke(
    request: CommandContent,
    deadline: Deadline,
  ): Promise<{ readonly reply: Command; readonly address: string }> {
    let failure: unknown;
    const addresses = await this.#inTurn(deadline);
    for (const address of addresses) {
      try {
        return { reply: await this.#ask(address, request, deadline), address };
      } catch (error) {
        deadline.check(`asking ${address}`);
        failure = error;
      }
    }
    throw unreachable(addresses, failure);
  }

  /** Asks all of them, at once: the answers, or why there is none, by address. */
  async invokeAll(request: CommandContent, deadline: Deadline): Promise<ReadonlyMap<string, Promise<Command>>> {
    const answers = (await this.#inTurn(deadline)).map(
      (address) => [address, this.#ask(address, request, deadline)] as const,
    );
    await Promise.allSettled(answers.map(([, answer]) => answer));
    return new Map(answers);
  }

  /** All of them, from the one that answered last, or behind it. Look-ups side by side each have their own turn. */
  async #inTurn(deadline: Deadline, fromNext = false): Promise<readonly string[]> {
    const source = this.#source;
    const addresses = 'addresses' in source ? await source.addresses(deadline) : source;
    const start = Math.max(0, addresses.indexOf(this.#preferred)) + (fromNext ? 1 : 0);
    return [...addresses.slice(start), ...addresses.slice(0, start)];
  }

  async #ask(address: string, request: CommandContent, deadline: Deadline): Promise<Command> {
    const attempt = deadline.atMost(attemptTimeoutMs);
    const channel = await this.#channels.get(address, attempt);
    return channel.invoke(request, attempt);
  }
}

function unreachable(addresses: readonly string[], cause: unknown): unknown {
  if (!(cause instanceof RemotingError)) return cause;
  const address = addresses.join(';');
  return new RemotingError('connect', `no name server answers at ${address}: ${cause.message}`, { address, cause });
}
