import { gunzip } from 'node:zlib';
import { GrpcError, StatusCode } from './status.ts';

/**
 * Decompresses a message outside of the event loop.
 * @throws GrpcError RESOURCE_EXHAUSTED as soon as there are more than `bytesMax`, INTERNAL where it is not gzip.
 */
export function gunzipMessage(bytes: Buffer, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(bytes, { maxOutputLength: bytesMax }, (cause, message) => {
      if (cause === null) resolve(message);
      else if ('code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE')
        reject(
          new GrpcError(
            StatusCode.RESOURCE_EXHAUSTED,
            `a message decompresses to more than the ${bytesMax} bytes that are allowed`,
          ),
        );
      else reject(new GrpcError(StatusCode.INTERNAL, 'a message cannot be decompressed', { cause }));
    });
  });
}
