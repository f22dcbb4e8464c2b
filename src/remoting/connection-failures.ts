import { RemotingError } from './errors.ts';

/** Where a certificate of the server is at fault: `code` of the error of `node:tls` (OpenSSL's names). */
const unknownAuthority = 'its certificate is of an authority that is not trusted here: give that one as tls.ca';
/** Where the server is at fault with ours, or has none: alerts of TLS, which come as `ERR_SSL_…_ALERT_…`. */
const wantsCertificate = 'it wants a client certificate: give one as tls.cert, with its tls.key';
const refusedCertificate = 'it does not take the client certificate';

const certificateFailures: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for other host names: connect by one of those, or name it as tls.servername',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate is revoked',
  INVALID_PURPOSE: 'its certificate is not meant for servers',
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
};

/** By the end of the alert's name; the beginning says for which version of TLS it was first defined. */
const alerts: readonly (readonly [RegExp, string])[] = [
  [/_ALERT_(?:CERTIFICATE_REQUIRED|NO_CERTIFICATE)$/, wantsCertificate],
  [/_ALERT_HANDSHAKE_FAILURE$/, `it refused the handshake; perhaps ${wantsCertificate}`],
  [/_ALERT_(?:BAD|UNSUPPORTED)_CERTIFICATE$|_ALERT_CERTIFICATE_UNKNOWN$/, `${refusedCertificate}, or misses one`],
  [/_ALERT_CERTIFICATE_EXPIRED$/, `${refusedCertificate}: it has expired`],
  [/_ALERT_CERTIFICATE_REVOKED$/, `${refusedCertificate}: it is revoked`],
  [/_ALERT_UNKNOWN_CA$/, `${refusedCertificate}: it does not know its authority`],
  [/_ALERT_ACCESS_DENIED$/, refusedCertificate],
  [/_ALERT_PROTOCOL_VERSION$|_UNSUPPORTED_PROTOCOL$/, 'it speaks no version of TLS that is allowed here, 1.2 or newer'],
  [/_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE|HTTP_REQUEST)$/, 'it does not speak TLS'],
];

/** Why there is no connection, in words where they help, and always with the code. */
export function connectionFailure(cause: unknown): string {
  const code = codeOf(cause);
  if (code === undefined) return 'the connection was refused';
  const words = certificateFailures[code] ?? alertWords(code);
  return words === undefined ? code : `${words} (${code})`;
}

/**
 * What ended a connection that was made. `connect` where the server refuses the client's certificate: in TLS 1.3 that comes when the
 * client takes the handshake to be done already, and may have sent requests, of which none is read.
 */
export function connectionLoss(address: string, cause: unknown): RemotingError {
  const isRefusal = clientRefusals.test(codeOf(cause) ?? '');
  const what = isRefusal ? 'cannot connect to' : 'lost the connection to';
  return new RemotingError(isRefusal ? 'connect' : 'closed', `${what} ${address}: ${connectionFailure(cause)}`, {
    address,
    cause,
  });
}

const clientRefusals = /_ALERT_(?:\w+_)?CERTIFICATE(?:_\w+)?$|_ALERT_(?:UNKNOWN_CA|ACCESS_DENIED)$/;

function alertWords(code: string): string | undefined {
  return alerts.find(([pattern]) => pattern.test(code))?.[1];
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
}
