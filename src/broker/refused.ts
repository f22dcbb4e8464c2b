import { ResponseCode } from '../remoting/response-code.ts';

/** A request is not carried out; the answer has this code and text. Anything else that a processor throws is a mistake of ours. */
export class RequestRefused extends Error {
  /** `ResponseCode`. */
  readonly code: number;

  constructor(code: number, remark: string) {
    super(remark);
    this.name = 'RequestRefused';
    this.code = code;
  }
}

/** A request that asks for something that can never be. */
export function invalid(remark: string): RequestRefused {
  return new RequestRefused(ResponseCode.INVALID_PARAMETER, remark);
}
