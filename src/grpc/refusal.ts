import type { HeaderField } from '../http2/hpack/header-field.ts';
import type { Http2Stream, StreamHandler } from '../http2/stream.ts';
import { readCallHead, statusFields } from './header-fields.ts';
import { StatusCode } from './status.ts';

/** A stream whose answer is given: nothing of it matters any more. */
export const answered: StreamHandler = { data() {}, trailers() {}, reset() {}, drain() {} };

/** Refuses what is no call of a known method: gRPC with UNIMPLEMENTED, all else by the status of HTTP. */
export function refuse(stream: Http2Stream): StreamHandler {
  stream.sendHeaders(refusalFields(stream), true);
  return answered;
}

function refusalFields({ headers, method }: Http2Stream): readonly HeaderField[] {
  const { answerHead } = readCallHead(headers);
  if (answerHead === undefined) return [{ name: ':status', value: '415' }];
  if (method !== 'POST')
    return [
      { name: ':status', value: '405' },
      { name: 'allow', value: 'POST' },
    ];
  return [...answerHead, ...statusFields({ code: StatusCode.UNIMPLEMENTED, message: 'there is no such method' })];
}
