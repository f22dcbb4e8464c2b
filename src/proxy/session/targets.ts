import { Code } from '@connectrpc/connect';
import { instanceOfEndpoint } from '../../client/cluster/instance-endpoint.ts';
import { RemotingError, ResponseError } from '../../remoting/errors.ts';
import { ResponseCode } from '../../remoting/response-code.ts';
import { anyone, type Caller, type TargetRequest } from '../access/caller.ts';
import { type EndpointPolicy, endpointText } from '../access/endpoint-policy.ts';
import { UnprovenEndpoints } from '../access/unproven-endpoints.ts';
import type { EngineKey } from '../engines.ts';
import { failure, invalid } from '../rpc/failures.ts';
import { type InstanceNamespace, namespaceOf } from './names.ts';

/** Which cluster a session works with, and as whom. */
export interface Target extends EngineKey {
  /** '' for none. */
  readonly namespace: string;
  /** Name of the caller's token; '' where the proxy has none. */
  readonly owner: string;
  /** How the endpoint may be called in an answer: as the client named it, never as our settings do. */
  readonly endpointName: string;
}

export interface TargetsOptions {
  readonly policy: EndpointPolicy;
  readonly instanceNamespace: InstanceNamespace;
  /** Used where a request leaves a field empty; '' for none. */
  readonly defaults: TargetRequest;
}

/** Longest access key id, secret and instance id, in characters. */
export const credentialCharsMax = 1_024;

const defaultEndpointName = 'the default endpoint of this proxy';

const emptyRequest: TargetRequest = { endpoint: '', accessKeyId: '', accessKeySecret: '', instanceId: '' };

/** Reads whom a client wants to talk to, and says so when nobody answers there. */
export class Targets {
  readonly #options: TargetsOptions;
  readonly #unproven = new UnprovenEndpoints();

  constructor(options: TargetsOptions) {
    this.#options = options;
  }

  /** Where requests go that name nothing; undefined when they may not. */
  get default(): Target | undefined {
    return this.#options.defaults.endpoint === '' ? undefined : this.resolve(emptyRequest, anyone);
  }

  /** Whether the access keys are those that any caller has who names none. */
  hasDefaultKeys({ accessKeyId, accessKeySecret }: EngineKey): boolean {
    const { defaults } = this.#options;
    return accessKeyId === defaults.accessKeyId && accessKeySecret === defaults.accessKeySecret;
  }

  /** @throws ConnectError INVALID_ARGUMENT, PERMISSION_DENIED; PolicyError for an endpoint that is malformed or not allowed. */
  resolve(asked: TargetRequest, caller: Caller): Target {
    const { defaults, instanceNamespace } = this.#options;
    for (const name of ['accessKeyId', 'accessKeySecret', 'instanceId'] as const) {
      if (asked[name].length > credentialCharsMax) throw invalid(`${name} is over ${credentialCharsMax} characters`);
    }
    const request = caller.target(asked, (endpoint) => this.endpointText(endpoint));
    const endpoint = request.endpoint || defaults.endpoint;
    if (endpoint === '')
      throw invalid('endpoint is empty, and this proxy has no default one: name a name server as host:9876');
    const named = request.instanceId || instanceOfEndpoint(request.endpoint);
    const instanceId = named || defaults.instanceId || instanceOfEndpoint(endpoint) || '';
    return {
      endpoint: this.endpointText(endpoint),
      accessKeyId: request.accessKeyId || defaults.accessKeyId,
      accessKeySecret: request.accessKeySecret || defaults.accessKeySecret,
      namespace: namespaceOf(instanceId, instanceNamespace),
      owner: caller.name,
      endpointName: asked.endpoint === '' ? defaultEndpointName : `endpoint ${asked.endpoint}`,
    };
  }

  /** The one spelling of an endpoint. @throws PolicyError when it is malformed or not allowed. */
  endpointText(endpoint: string): string {
    return endpointText(this.#options.policy.checkEndpoint(endpoint));
  }

  /**
   * Runs the first requests to a target.
   * @throws ConnectError UNAVAILABLE naming the endpoint when nobody answers, or no name server; RESOURCE_EXHAUSTED where the caller names
   * one after the other that does not answer.
   */
  async reach<T>(target: Target, work: () => Promise<T>): Promise<T> {
    const { endpoint, endpointName, owner } = target;
    // The operator's own is no door that a caller has found.
    const isOwn = endpointName === defaultEndpointName;
    const hasAnswered = (error: unknown): boolean => complaintOf(error) === undefined;
    try {
      return await (isOwn ? work() : this.#unproven.try(endpoint, owner, work, hasAnswered));
    } catch (error) {
      const complaint = complaintOf(error);
      if (complaint === undefined) throw error;
      throw failure(
        Code.Unavailable,
        'ENDPOINT_UNREACHABLE',
        `${endpointName} ${complaint}: is it a RocketMQ name server, and is its broker up?`,
        error,
      );
    }
  }
}

/** What is wrong with an endpoint where that is what an error tells. */
function complaintOf(error: unknown): string | undefined {
  // A broker, whose address is easily taken for its name server's, knows no routes.
  if (error instanceof ResponseError && error.code === ResponseCode.REQUEST_CODE_NOT_SUPPORTED)
    return 'does not know the request';
  if (!(error instanceof RemotingError)) return undefined;
  if (error.kind === 'connect') return 'cannot be reached';
  return error.kind === 'timeout' ? 'does not answer in time' : undefined;
}
