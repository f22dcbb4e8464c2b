import { spawn } from 'node:child_process';
import type { TlsOptions } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OnStream } from '../../src/http2/stream.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startHttp2, takeAll } from '../support/http2-server.ts';
import { buildH2spec, endOf, skipGo } from './official/build.ts';

/** Judges HTTP/2 in full, answers with a few bytes, as h2spec expects of a server. */
const answerAll: OnStream = (stream) => {
  const answer = (): void => {
    stream.sendHeaders([{ name: ':status', value: '200' }]);
    stream.sendData(Buffer.alloc(100, 65), true);
  };
  if (stream.isWhole) answer();
  return takeAll(stream, {
    data: (chunk, isLast) => {
      stream.consumed(chunk.length);
      if (isLast) answer();
    },
    trailers: answer,
  });
};

describe.skipIf(skipGo())('h2spec', () => {
  let program: string;

  beforeAll(async () => {
    program = await buildH2spec();
  }, 600_000);

  /** The last line of what it says, which counts; all of it when something failed. */
  async function judge(tls?: TlsOptions): Promise<string> {
    const { port } = await startHttp2({}, answerAll, tls);
    const child = spawn(program, [String(port), ...(tls === undefined ? [] : ['tls'])]);
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const failure = await endOf(child);
    return failure === undefined ? (output.trim().split('\n').at(-1) ?? '') : output;
  }

  it('finds all of HTTP/2 and HPACK as it must be', async () => {
    expect(await judge()).toBe('146 tests, 146 passed, 0 skipped, 0 failed');
  });

  it('finds it so behind TLS, too', async () => {
    const { server } = await makeCertificates();
    const verdict = await judge({ key: server.private, cert: server.cert });
    expect(verdict).toMatch(/^\d+ tests, \d+ passed, 0 skipped, 0 failed$/);
  });
});
