import { type GenerateResult, generate } from 'selfsigned';

/** Certificates of one authority, and of a stranger, as PEM texts. */
export interface Certificates {
  readonly authority: GenerateResult;
  /** Another authority, that nobody trusts. */
  readonly stranger: GenerateResult;
  /** For `broker.example`, `localhost` and 127.0.0.1. */
  readonly server: GenerateResult;
  /** The same, but its time is over. */
  readonly expired: GenerateResult;
  readonly client: GenerateResult;
  /** Of the other authority. */
  readonly foreignClient: GenerateResult;
}

const ec = { keyType: 'ec', algorithm: 'sha256' } as const;
const dayMs = 86_400_000;

export async function makeCertificates(): Promise<Certificates> {
  const [authority, stranger] = await Promise.all([makeAuthority('a CA'), makeAuthority('another CA')]);
  const notAfterDate = new Date(Date.now() - dayMs);
  const [server, expired, client, foreignClient] = await Promise.all([
    makeServer(authority),
    makeServer(authority, { notBeforeDate: new Date(Date.now() - 2 * dayMs), notAfterDate }),
    makeClient(authority),
    makeClient(stranger),
  ]);
  return { authority, stranger, server, expired, client, foreignClient };
}

function makeAuthority(name: string): Promise<GenerateResult> {
  const extensions = [{ name: 'basicConstraints' as const, cA: true, critical: true }];
  return generate([{ name: 'commonName', value: name }], { ...ec, extensions });
}

function makeServer(
  { private: key, cert }: GenerateResult,
  validity: { readonly notBeforeDate?: Date; readonly notAfterDate?: Date } = {},
): Promise<GenerateResult> {
  const altNames = [
    { type: 2 as const, value: 'broker.example' },
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' },
  ];
  const extensions = [{ name: 'subjectAltName' as const, altNames }];
  return generate([{ name: 'commonName', value: 'broker' }], { ...ec, ...validity, ca: { key, cert }, extensions });
}

function makeClient({ private: key, cert }: GenerateResult): Promise<GenerateResult> {
  return generate([{ name: 'commonName', value: 'client' }], { ...ec, ca: { key, cert } });
}
