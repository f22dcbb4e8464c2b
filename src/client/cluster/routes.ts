import { LRUCache } from 'lru-cache';
import { Deadline } from '../../remoting/deadline.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { defaultTopic } from '../../remoting/topic-names.ts';
import { ClientError } from '../errors.ts';
import type { NameServers } from './name-servers.ts';
import { autoCreatedRoute, type Route, routeOf } from './route.ts';

/** Longest wait of one look-up, which several callers may share, in ms. */
const lookUpTimeoutMs = 10_000;
/** A route that nobody asked for in this time is forgotten, in ms. */
const idleDurationMs = 120_000;

/**
 * Why a route is in doubt: a broker that it leads to cannot be reached or is not the queue's leader any more, or says that it has no
 * such topic.
 */
export type RouteDoubt = 'brokerGone' | 'topicGone';

/** The doubt that a failed request raises about the route by which it went; undefined when it says nothing about that. */
export function routeDoubt(error: unknown): RouteDoubt | undefined {
  if (error instanceof ResponseError) {
    if (error.code === ResponseCode.TOPIC_NOT_EXIST) return 'topicGone';
    return error.code === ResponseCode.NOT_LEADER_FOR_QUEUE ? 'brokerGone' : undefined;
  }
  const isGone = error instanceof RemotingError && (error.kind === 'connect' || error.kind === 'closed');
  return isGone ? 'brokerGone' : undefined;
}

/** Remembers where topics live. A look-up under way is shared by all who ask for the same topic. */
export class Routes {
  readonly #nameServers: NameServers;
  readonly #known: LRUCache<string, Route>;
  /** Topics whose remembered route led astray; never more than are remembered. */
  readonly #doubtful = new Map<string, RouteDoubt>();
  readonly #lookUps = new Map<string, Promise<Route | undefined>>();
  readonly #watchers = new Set<(route: Route) => void>();

  /** @param now the monotonic clock, in ms. */
  constructor(nameServers: NameServers, routesMax: number, now: () => number = () => performance.now()) {
    this.#nameServers = nameServers;
    this.#known = new LRUCache({
      maxSize: routesMax,
      sizeCalculation: () => 1,
      ttl: idleDurationMs,
      // Else the time is looked at once in a while only.
      ttlResolution: 0,
      updateAgeOnGet: true,
      perf: { now },
      disposeAfter: (_route, topic) => this.#doubtful.delete(topic),
    });
  }

  /**
   * The route of a topic, from memory where it is known and not in doubt; undefined when the topic does not exist.
   * @throws RemotingError when no name server answers and no route is remembered.
   */
  async find(topic: string, deadline: Deadline): Promise<Route | undefined> {
    const known = this.#known.get(topic);
    if (known !== undefined && !this.#doubtful.has(topic)) return known;
    try {
      return await deadline.wait(this.#lookUp(topic), `looking up topic ${topic}`);
    } catch (error) {
      if (known === undefined) throw error;
      // Brokers may be well without their name servers. Later callers need not wait for those again.
      this.#doubtful.delete(topic);
      return known;
    }
  }

  /** The route of a topic where it is known and not in doubt: as `find`, but a promise for each message costs. */
  known(topic: string): Route | undefined {
    return this.#doubtful.has(topic) ? undefined : this.#known.get(topic);
  }

  /**
   * The route to send by: the topic's own, or that of TBW102, on whose brokers a first message creates the topic.
   * @throws ClientError `noRoute` when there is neither, `noBroker` when that is so because no broker is up.
   */
  async findForSend(topic: string, deadline: Deadline): Promise<Route> {
    const route = await this.find(topic, deadline);
    if (route !== undefined) return route;
    const template = await this.find(defaultTopic, deadline);
    if (template !== undefined && template.writeQueues.length > 0) return autoCreatedRoute(topic, template);
    throw await this.missing(topic, deadline);
  }

  /** Why there is neither a route of a topic nor one of TBW102. */
  async missing(topic: string, deadline: Deadline): Promise<ClientError> {
    // While no broker is up, name servers know no topics at all.
    if ((await this.#nameServers.hasBrokers(deadline)) === false)
      return new ClientError('noBroker', 'no broker is registered with the name servers now');
    return new ClientError(
      'noRoute',
      `topic ${topic} does not exist, and the brokers do not create topics by themselves`,
    );
  }

  /** Looks the topic up again on its next use. */
  doubt(topic: string, doubt: RouteDoubt): void {
    if (this.#known.has(topic)) this.#doubtful.set(topic, doubt);
  }

  /** Calls `watcher` with every route that a name server gives, until the returned function is called. */
  watch(watcher: (route: Route) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Asks again for every route in use. One that cannot be had now stays: brokers may be well without their name servers. */
  async refresh(): Promise<void> {
    await Promise.allSettled([...this.#known.keys()].map((topic) => this.#lookUp(topic)));
  }

  #lookUp(topic: string): Promise<Route | undefined> {
    const underWay = this.#lookUps.get(topic);
    if (underWay !== undefined) return underWay;
    const lookUp = this.#ask(topic).finally(() => this.#lookUps.delete(topic));
    this.#lookUps.set(topic, lookUp);
    // Every caller may have given up by the time it fails.
    lookUp.catch(() => {});
    return lookUp;
  }

  async #ask(topic: string): Promise<Route | undefined> {
    const doubted = this.#doubtful.get(topic) === 'brokerGone';
    const data = await this.#nameServers.route(topic, Deadline.after(lookUpTimeoutMs), doubted);
    if (data === undefined) {
      // Name servers forget a topic along with the last broker that has it, so only a broker knows that it is gone.
      if (this.#doubtful.get(topic) === 'brokerGone') return this.#known.get(topic);
      if (this.#doubtful.has(topic)) this.#known.delete(topic);
      return undefined;
    }
    const route = routeOf(topic, data);
    this.#doubtful.delete(topic);
    // A refresh is no use: it must not keep a route alive that nobody asks for.
    this.#known.set(topic, route, { noUpdateTTL: true });
    for (const watcher of this.#watchers) watcher(route);
    return route;
  }
}
