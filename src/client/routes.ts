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
  readonly #lookUps = new Map<string, Promise<Route | undefined>>();

  constructor(nameServers: NameServers, routesMax: number) {
    this.#nameServers = nameServers;
    this.#known = new LRUCache({ max: routesMax, ttl: idleDurationMs, updateAgeOnGet: true });
  }

  /**
   * The route of a topic, from memory where it is known; undefined when the topic does not exist.
   * @throws RemotingError when no name server answers.
   */
  async find(topic: string, deadline: Deadline): Promise<Route | undefined> {
    return this.#known.get(topic) ?? deadline.wait(this.#lookUp(topic), `looking up topic ${topic}`);
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
  forget(topic: string): void {
    this.#known.delete(topic);
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
    if (data === undefined) return undefined;
    const route = routeOf(topic, data);
    // A refresh is no use: it must not keep a route alive that nobody asks for.
    this.#known.set(topic, route, { ttl: this.#known.getRemainingTTL(topic) || idleDurationMs });
    return route;
  }
}
