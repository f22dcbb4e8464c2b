import { LRUCache } from 'lru-cache';
import { Deadline } from '../remoting/deadline.ts';
import { defaultTopic } from '../remoting/topic-names.ts';
import { ClientError } from './errors.ts';
import type { NameServers } from './name-servers.ts';
import { autoCreatedRoute, type Route, routeOf } from './route.ts';

/** Longest wait of one look-up, which several callers may share, in ms. */
const lookUpTimeoutMs = 10_000;
/** A route that nobody asked for in this time is forgotten, in ms. */
const idleDurationMs = 120_000;

/** Remembers where topics live. A look-up under way is shared by all who ask for the same topic. */
export class Routes {
  readonly #nameServers: NameServers;
  readonly #known: LRUCache<string, Route>;
  /** Topics whose remembered route led astray; never more than are remembered. */
  readonly #doubtful = new Set<string>();
  readonly #lookUps = new Map<string, Promise<Route | undefined>>();

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

  /**
   * The route to send by: the topic's own, or that of TBW102, on whose brokers a first message creates the topic.
   * @throws ClientError `noRoute` when there is neither.
   */
  async findForSend(topic: string, deadline: Deadline): Promise<Route> {
    const route = await this.find(topic, deadline);
    if (route !== undefined) return route;
    const template = await this.find(defaultTopic, deadline);
    if (template !== undefined && template.writeQueues.length > 0) return autoCreatedRoute(topic, template);
    throw new ClientError(
      'noRoute',
      `topic ${topic} does not exist, and the brokers do not create topics by themselves`,
    );
  }

  /** Looks the topic up again on its next use: its route led to a broker that was gone or did not know the topic. */
  doubt(topic: string): void {
    if (this.#known.has(topic)) this.#doubtful.add(topic);
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
    const data = await this.#nameServers.route(topic, Deadline.after(lookUpTimeoutMs));
    if (data === undefined) {
      if (this.#doubtful.has(topic)) this.#known.delete(topic);
      return undefined;
    }
    const route = routeOf(topic, data);
    this.#doubtful.delete(topic);
    // A refresh is no use: it must not keep a route alive that nobody asks for.
    this.#known.set(topic, route, { noUpdateTTL: true });
    return route;
  }
}
