import type { HeaderField } from './hpack/header-field.ts';

/** A request's head, checked. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly scheme: string;
  readonly authority: string;
  /** Without the pseudo-header fields. */
  readonly headers: readonly HeaderField[];
  /** -1: not said. */
  readonly contentLength: number;
}

/** What a field means to the rules. */
type FieldKind = 'plain' | 'forbidden' | 'te' | 'content-length' | 'host';

/** Names that need no look at their letters, most of all those that every call has; `forbidden`: RFC 9113, section 8.2.2. */
const knownNames: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ['connection', 'forbidden'],
  ['proxy-connection', 'forbidden'],
  ['keep-alive', 'forbidden'],
  ['transfer-encoding', 'forbidden'],
  ['upgrade', 'forbidden'],
  ['te', 'te'],
  ['content-length', 'content-length'],
  ['host', 'host'],
  ['content-type', 'plain'],
  ['user-agent', 'plain'],
  ['accept', 'plain'],
  ['accept-encoding', 'plain'],
  ['authorization', 'plain'],
  ['grpc-timeout', 'plain'],
  ['grpc-encoding', 'plain'],
  ['grpc-accept-encoding', 'plain'],
]);

/** A token of RFC 9110, section 5.6.2, without upper case. */
const nameSyntax = /^[a-z0-9!#$%&'*+\-.^_`|~]+$/;

/** RFC 9113, section 8.2.1: no NUL, CR or LF, and no blank at either end. */
const wrongValue = /[\0\r\n]|^[ \t]|[ \t]$/;

const digits = /^[0-9]{1,15}$/;

/** Gathers what the fields say until one breaks a rule. */
class HeadReader {
  method: string | undefined;
  path: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  host: string | undefined;
  contentLength = -1;
  readonly headers: HeaderField[] = [];

  /** @returns False for a field that makes the request malformed. */
  add(field: HeaderField): boolean {
    const { name, value } = field;
    if (wrongValue.test(value)) return false;
    // A colon.
    if (name.charCodeAt(0) === 0x3a) return this.headers.length === 0 && this.#addPseudo(name, value);
    this.headers.push(field);
    switch (kindOf(name)) {
      case 'plain':
        return true;
      case 'te':
        return value === 'trailers';
      case 'content-length':
        return this.#addLength(value);
      case 'host':
        return this.#addHost(value);
      default:
        return false;
    }
  }

  #addPseudo(name: string, value: string): boolean {
    switch (name) {
      case ':method':
        if (this.method !== undefined) return false;
        this.method = value;
        return value !== '';
      case ':path':
        if (this.path !== undefined) return false;
        this.path = value;
        return true;
      case ':scheme':
        if (this.scheme !== undefined) return false;
        this.scheme = value;
        return true;
      case ':authority':
        if (this.authority !== undefined) return false;
        this.authority = value;
        return true;
      default:
        return false;
    }
  }

  #addLength(value: string): boolean {
    if (!digits.test(value)) return false;
    const length = Number(value);
    if (this.contentLength >= 0 && this.contentLength !== length) return false;
    this.contentLength = length;
    return true;
  }

  #addHost(value: string): boolean {
    if (this.host !== undefined) return false;
    this.host = value;
    return true;
  }
}

/** Whether a name may be, and what it means; undefined: it may not be. */
function kindOf(name: string): FieldKind | undefined {
  return knownNames.get(name) ?? (nameSyntax.test(name) ? 'plain' : undefined);
}

/** Checks the fields of a request by RFC 9113, sections 8.2 and 8.3. @returns Undefined where it is malformed. */
export function readRequestHead(fields: readonly HeaderField[]): RequestHead | undefined {
  const reader = new HeadReader();
  for (const field of fields) if (!reader.add(field)) return undefined;
  const { method, path, scheme, headers, contentLength } = reader;
  const authority = authorityOf(reader);
  if (method === undefined || authority === undefined) return undefined;
  if (method === 'CONNECT') {
    if (path !== undefined || scheme !== undefined || authority === '') return undefined;
    return { method, path: '', scheme: '', authority, headers, contentLength };
  }
  if (path === undefined || scheme === undefined || scheme === '') return undefined;
  // "*" is how OPTIONS speaks of the whole server.
  if (path.charCodeAt(0) !== 0x2f && !(path === '*' && method === 'OPTIONS')) return undefined;
  return { method, path, scheme, authority, headers, contentLength };
}

/** Undefined where `:authority` and `host` name different servers. */
function authorityOf({ authority, host }: HeadReader): string | undefined {
  if (authority === undefined || host === undefined) return authority ?? host ?? '';
  return authority.toLowerCase() === host.toLowerCase() ? authority : undefined;
}

/** Whether these may follow a body: like other fields, and no pseudo-header field among them (RFC 9113, section 8.1). */
export function areTrailersValid(fields: readonly HeaderField[]): boolean {
  return fields.every(({ name, value }) => {
    const kind = kindOf(name);
    return kind !== undefined && kind !== 'forbidden' && !wrongValue.test(value);
  });
}
