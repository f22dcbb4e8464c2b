import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import {
  normalizeHost,
  parseAddress,
  parseNameServers,
  type ServerAddress,
  splitAddresses,
} from '../../client/cluster/addresses.ts';
import { ClientError } from '../../client/errors.ts';
import { isGuarded } from './guarded-addresses.ts';

/**
 * Why an address was not taken:
 * - `malformed`: it is no address;
 * - `refused`: the settings do not allow it;
 * - `configuration`: the settings themselves do not do.
 */
export type PolicyErrorKind = 'malformed' | 'refused' | 'configuration';

/** An endpoint that is not used, or a setting that says too little. */
export class PolicyError extends Error {
  readonly kind: PolicyErrorKind;

  constructor(kind: PolicyErrorKind, message: string) {
    super(message);
    this.name = 'PolicyError';
    this.kind = kind;
  }
}

/** What the settings of the same names say; undefined where they are unset. */
export interface EndpointPolicySettings {
  /** Address that the proxy listens on. */
  readonly host: string;
  readonly allowedEndpoints: string | undefined;
  readonly allowedBrokers: string | undefined;
  /** Endpoint of calls that leave theirs empty: always allowed. */
  readonly defaultEndpoint: string | undefined;
}

/** What `PROXY_ALLOWED_ENDPOINTS` is where clients may name no endpoint but the default one. */
const ownOnly = 'none';

/** Hosts, ports and ranges that one setting allows. */
interface Rules {
  /** `*`: whatever it is. */
  readonly anything: boolean;
  /** `host`, or `host:port` for that port only. */
  readonly hosts: ReadonlySet<string>;
  /** `*.suffix` as `.suffix`, or `.suffix:port`. */
  readonly suffixes: readonly string[];
  readonly ranges: BlockList;
  /** As `hosts`, those that the operator works with himself: their names may lead anywhere. */
  readonly own: ReadonlySet<string>;
}

/**
 * Where a client may point the proxy, since an endpoint in a request is a door to whatever network the proxy stands in. What is allowed
 * is listed; the rest is refused. A name is allowed as a name, so a range allows no names; what it stands for is looked at anew whenever a
 * connection is made: loopback, link-local and metadata addresses must be listed themselves, or be those of the default endpoint.
 */
export class EndpointPolicy {
  readonly #endpoints: Rules;
  readonly #brokers: Rules;

  private constructor(endpoints: Rules, brokers: Rules) {
    this.#endpoints = endpoints;
    this.#brokers = brokers;
  }

  /**
   * Bound to loopback and with nothing set, everything is allowed. Brokers: what is set; else the hosts of the endpoints; where clients may
   * name none, wherever the default endpoint sends us.
   * @throws PolicyError `configuration` where the proxy listens to others and nothing says which endpoints they may name, and for a
   * setting that is malformed.
   */
  static create(settings: EndpointPolicySettings): EndpointPolicy {
    const { host, allowedEndpoints, allowedBrokers, defaultEndpoint } = settings;
    if (allowedEndpoints === undefined && !isLoopback(host)) {
      throw new PolicyError(
        'configuration',
        `PROXY_HOST is ${host}, so others can reach this proxy and name any endpoint: set PROXY_ALLOWED_ENDPOINTS to those that ` +
          'they may name (host, host:port, *.suffix, address ranges, separated by commas), to none for ROCKETMQ_ENDPOINT only, or to * for all',
      );
    }
    const own = defaultEndpoint === undefined ? [] : ownAddresses(defaultEndpoint).map(({ address }) => address);
    const isOwnOnly = allowedEndpoints?.trim() === ownOnly;
    if (isOwnOnly && own.length === 0) {
      throw new PolicyError(
        'configuration',
        `PROXY_ALLOWED_ENDPOINTS is ${ownOnly}, so clients may use ROCKETMQ_ENDPOINT only, and that is not set: set it, or list endpoints`,
      );
    }
    const listed = isOwnOnly ? [] : splitRules(allowedEndpoints ?? '*', 'PROXY_ALLOWED_ENDPOINTS');
    const rules = parseRules([...listed, ...own], 'PROXY_ALLOWED_ENDPOINTS');
    const endpoints = { ...rules, own: new Set(own) };
    if (allowedBrokers !== undefined) {
      const brokers = parseRules(splitRules(allowedBrokers, 'PROXY_ALLOWED_BROKERS'), 'PROXY_ALLOWED_BROKERS');
      return new EndpointPolicy(endpoints, brokers);
    }
    // No client can bring a name server of its own then, and who runs this proxy trusts theirs.
    return new EndpointPolicy(endpoints, isOwnOnly ? parseRules(['*'], '') : withoutPorts(endpoints));
  }

  /**
   * The name servers of an endpoint that a client named.
   * @throws PolicyError `malformed` or `refused`.
   */
  checkEndpoint(text: string): ServerAddress[] {
    const addresses = parseEndpoint(text);
    const refused = addresses.find((address) => !allows(this.#endpoints, address));
    if (refused === undefined) return addresses;
    throw new PolicyError(
      'refused',
      `endpoint ${refused.address} is not allowed here: ask the operator of this proxy to add it to PROXY_ALLOWED_ENDPOINTS`,
    );
  }

  /** Whether a `host:port` of a name server may be connected to; with `ip`, at that address, which its name stands for now. */
  nameServerAllowed(address: string, ip?: string): boolean {
    return mayConnect(this.#endpoints, address, ip);
  }

  /** The same of a `host:port` out of a route. */
  brokerAllowed(address: string, ip?: string): boolean {
    return mayConnect(this.#brokers, address, ip);
  }
}

/**
 * Reads `host:9876[;host:9876]`; `http://` or `https://` before an address and a slash behind it are taken, and so are commas and blanks
 * between addresses. The order is kept, repetitions are dropped.
 * @throws PolicyError `malformed`.
 */
export function parseEndpoint(text: string): ServerAddress[] {
  try {
    return parseNameServers(text);
  } catch (error) {
    if (error instanceof ClientError) throw malformed(error.message);
    throw error;
  }
}

/** The one text that stands for these name servers: what engines are kept by. */
export function endpointText(addresses: readonly ServerAddress[]): string {
  return addresses.map(({ address }) => address).join(';');
}

function malformed(why: string): PolicyError {
  return new PolicyError(
    'malformed',
    `the endpoint is malformed: ${why}; expected name servers as host:9876[;host:9876]`,
  );
}

function isLoopback(host: string): boolean {
  const bare = normalizeHost(isIPv6(host) ? `[${host}]` : host);
  return bare === 'localhost' || bare === '::1' || (bare !== undefined && isIPv4(bare) && bare.startsWith('127.'));
}

function ownAddresses(defaultEndpoint: string): ServerAddress[] {
  try {
    return parseEndpoint(defaultEndpoint);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    throw new PolicyError('configuration', `ROCKETMQ_ENDPOINT: ${error.message}`);
  }
}

function splitRules(text: string, setting: string): string[] {
  const rules = splitAddresses(text);
  if (rules.length === 0)
    throw new PolicyError('configuration', `${setting} lists nothing: list what is allowed, or set it to *`);
  return rules;
}

function parseRules(texts: readonly string[], setting: string): Rules {
  const hosts = new Set<string>();
  const suffixes: string[] = [];
  const ranges = new BlockList();
  for (const text of texts) {
    if (text === '*') continue;
    const suffix = /^\*(\.[\w.-]+(?::\d{1,5})?)$/.exec(text)?.[1];
    if (suffix !== undefined) suffixes.push(suffix.toLowerCase());
    else if (!addRange(ranges, text)) hosts.add(parseHostRule(text, setting));
  }
  return { anything: texts.includes('*'), hosts, suffixes, ranges, own: new Set() };
}

/** Adds `10.0.0.0/8` or `fd00::/8`; false for anything else. */
function addRange(ranges: BlockList, text: string): boolean {
  const [, network = '', bits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(network);
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) return false;
  ranges.addSubnet(network, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return true;
}

function parseHostRule(text: string, setting: string): string {
  const address = parseAddress(isIPv6(text) ? `[${text}]` : text);
  if (address === undefined) {
    const forms = 'host, host:port, *.suffix, an address range such as 10.0.0.0/8, or *';
    throw new PolicyError('configuration', `${setting}: ${JSON.stringify(text.slice(0, 60))} is none of ${forms}`);
  }
  return /:\d+\/?$/.test(text) && !isIPv6(text) ? address.address : address.host;
}

/** The same hosts on every port: brokers listen on ports other than their name servers. */
function withoutPorts(rules: Rules): Rules {
  const hostsOf = (hosts: ReadonlySet<string>): ReadonlySet<string> =>
    new Set([...hosts].map((rule) => (isIPv6(rule) ? rule : rule.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''))));
  const suffixes = rules.suffixes.map((suffix) => suffix.replace(/:\d+$/, ''));
  return { ...rules, hosts: hostsOf(rules.hosts), own: hostsOf(rules.own), suffixes };
}

function mayConnect(rules: Rules, address: string, ip: string | undefined): boolean {
  const named = parseAddress(address.trim());
  if (named === undefined || !allows(rules, named)) return false;
  return ip === undefined || mayStandFor(rules, named, ip);
}

/** Whether a name that is allowed may be connected to at an address. */
function mayStandFor(rules: Rules, named: ServerAddress, ip: string): boolean {
  if (rules.anything || rules.own.has(named.host) || rules.own.has(named.address)) return true;
  const found = parseAddress(`${isIPv6(ip) ? `[${ip}]` : ip}:${named.port}`);
  // An address in a spelling that only resolvers read is no name.
  if (found === undefined || isIP(named.host) !== 0) return found !== undefined && allows(rules, found);
  return !isGuarded(found.host) || allows(rules, found) || (named.host === 'localhost' && isLoopback(found.host));
}

function allows(rules: Rules, { host, port, address }: ServerAddress): boolean {
  if (rules.anything || rules.hosts.has(host) || rules.hosts.has(address)) return true;
  const version = isIP(host);
  if (version !== 0) return rules.ranges.check(host, version === 4 ? 'ipv4' : 'ipv6');
  return rules.suffixes.some((suffix) => host.endsWith(suffix) || `${host}:${port}`.endsWith(suffix));
}
