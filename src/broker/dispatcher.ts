import type { Log } from '../log.ts';
import type { Answer, Command } from '../remoting/command.ts';
import { RemotingError } from '../remoting/errors.ts';
import { ResponseCode } from '../remoting/response-code.ts';
import type { ServerConnection } from '../remoting/server-connection.ts';
import { AccessControl } from './access-control.ts';
import type { Engine, Processor, ProcessorTable } from './engine.ts';
import { FilterError } from './filters/filter-error.ts';
import { RequestRefused } from './refused.ts';
import { StoreError, type StoreErrorKind } from './store/message-store.ts';

/** What a store that did not store is answered with. The first two are worth another try, here or at another broker. */
const storeErrorCodes: Readonly<Record<StoreErrorKind, number>> = {
  overloaded: ResponseCode.SYSTEM_BUSY,
  full: ResponseCode.SERVICE_NOT_AVAILABLE,
  io: ResponseCode.SERVICE_NOT_AVAILABLE,
  closed: ResponseCode.SERVICE_NOT_AVAILABLE,
  refused: ResponseCode.MESSAGE_ILLEGAL,
};

/** Finds who answers a request, and makes an answer of whatever goes wrong. */
export class Dispatcher {
  readonly #engine: Engine;
  readonly #processors: ReadonlyMap<number, Processor>;
  readonly #access: AccessControl;
  readonly #log: Log | undefined;

  constructor(engine: Engine, tables: readonly ProcessorTable[]) {
    this.#engine = engine;
    this.#processors = new Map(tables.flat());
    this.#access = new AccessControl(engine.options.accessKeys);
    this.#log = engine.options.log;
  }

  /** Never fails. */
  dispatch(request: Command, connection: ServerConnection): Answer | Promise<Answer> {
    const { code } = request;
    const processor = this.#processors.get(code);
    if (processor === undefined) {
      return { code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED, remark: `request code ${code} is not supported` };
    }
    try {
      this.#access.check(request);
      const answer = processor(request, connection, this.#engine);
      return answer instanceof Promise ? answer.catch((error: unknown) => this.#refusal(error, request)) : answer;
    } catch (error) {
      return this.#refusal(error, request);
    }
  }

  #refusal(error: unknown, request: Command): Answer {
    if (error instanceof RequestRefused) return { code: error.code, remark: error.message };
    if (error instanceof RemotingError && error.kind === 'malformed') {
      return { code: ResponseCode.INVALID_PARAMETER, remark: error.message };
    }
    if (error instanceof FilterError) return { code: ResponseCode.SUBSCRIPTION_PARSE_FAILED, remark: error.message };
    if (error instanceof StoreError) return { code: storeErrorCodes[error.kind], remark: error.message };
    this.#log?.error({ err: error, code: request.code }, 'a request failed by a mistake of the engine');
    return { code: ResponseCode.SYSTEM_ERROR, remark: `request code ${request.code} failed` };
  }
}
